// SPDX-License-Identifier: BSD-3-Clause
// The reason why there is no link: a single cause as text, for the log and for the driver
// (docs/device-abi.md, "LINK_REASON").
import { after, type OnFault, type Timer } from '../../socket/guard.ts';
import type { ConnectedPeer } from '../vhost-user/peer.ts';

export interface Reason {
  /**
   * 'fault': requires action by a user. 'state': reported once it has lasted a moment, or at once if it took
   * the link down. 'passing': reported only if it lasts.
   */
  readonly kind: 'fault' | 'state' | 'passing';
  readonly text: string;
}

export const fault = (text: string): Reason => ({ kind: 'fault', text });
export const state = (text: string): Reason => ({ kind: 'state', text });
export const passing = (text: string): Reason => ({ kind: 'passing', text });

/** A negotiating peer goes through many states, which are not worth a log line each. */
export const SETTLE_MS = 1000;

/** Why a peer is not ready. */
export function whyNotReady(peer: ConnectedPeer): Reason {
  if (!peer.featuresSet)
    return state(
      'the peer is connected, but its driver has not negotiated: VM2 is off, starting, or has no driver',
    );
  if (peer.memory.regions.length === 0) return state('the peer has not shared any memory');
  for (const ring of peer.rings.slice(0, 2)) {
    if (ring.lost)
      return fault(
        `ring ${ring.index} stays stopped until the peer sets it up again: VM1's driver left no valid position`,
      );
    if (!ring.started) return state(`the peer's driver is not running: ring ${ring.index} is not started`);
    if (!ring.guest) return state(`ring ${ring.index} of the peer has no addresses`);
    if (!peer.isEnabled(ring)) return state(`ring ${ring.index} of the peer is not enabled`);
  }
  return passing('the peer is not ready yet');
}

/** Publishes each reason once, and not at all if it passes quickly. */
export class LinkReason {
  readonly #publish: (text: string) => void;
  readonly #onFault: OnFault;
  #now = '';
  #timer: Timer | null = null;
  #wasUp = false;
  /** The last published reason; empty while there is a link. */
  published = '';

  constructor(publish: (text: string) => void, onFault: OnFault) {
    this.#publish = publish;
    this.#onFault = onFault;
  }

  linkUp(): void {
    this.forget();
    this.#wasUp = true;
  }

  /** There is neither a peer nor a driver. */
  forget(): void {
    this.#wait();
    this.#wasUp = false;
    this.#now = this.published = '';
  }

  update({ kind, text }: Reason): void {
    const urgent = kind === 'fault' || (kind === 'state' && this.#wasUp);
    if (text === this.#now && !urgent) return;
    this.#wait();
    this.#now = text;
    if (urgent) this.#report();
    else if (text !== this.published) this.#timer = after(SETTLE_MS, () => this.#report(), this.#onFault);
  }

  #report(): void {
    this.#wasUp = false;
    if (this.#now === this.published) return;
    this.published = this.#now;
    this.#publish(this.#now);
  }

  #wait(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
