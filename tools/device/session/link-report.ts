// SPDX-License-Identifier: BSD-3-Clause
// Reports why there is no link, in the log and to a driver with LINK_REASON (docs/device-abi.md,
// "LINK_REASON"): exactly one cause.
import { VHOST_PCI_F_LINK_REASON } from '../../../src/abi/vhost-pci.ts';
import { hasFeature } from '../../../src/virtio/features.ts';
import { DISCONNECTED } from '../../socket/frame-reader.ts';
import { faultReason } from '../../socket/guard.ts';
import type { Log } from '../log.ts';
import { SPEAKS_VFIO_USER } from '../socket/wrong-socket.ts';
import type { ConnectedPeer } from '../vhost-user/peer.ts';
import { linkReasonMessage } from './control-encode.ts';
import type { DriverPort } from './driver-port.ts';
import { fault, LinkReason, passing, type Reason, state, whyNotReady } from './link-reason.ts';

export class LinkReport {
  readonly #driver: DriverPort;
  readonly #reason: LinkReason;
  /** The last reason sent to the driver. */
  #sentReason = '';
  /** The last error of a peer since a peer was last ready. */
  #fault = '';
  /** Why the last peer left. */
  #left = '';

  constructor(driver: DriverPort, log: Log) {
    this.#driver = driver;
    const publish = (text: string) => {
      log.event(`no link: ${text}`);
      this.#send();
    };
    this.#reason = new LinkReason(publish, (error) => driver.disconnect(faultReason(error)));
  }

  close(): void {
    this.#reason.forget();
  }

  /** `reason` is empty when there was no peer before. */
  peerLeft(reason: string): void {
    // A driver that connected to the peer's socket was not a peer.
    const stray = reason.startsWith(SPEAKS_VFIO_USER);
    this.#left = stray ? '' : reason;
    if (reason !== '' && reason !== DISCONNECTED && !stray) this.#fault = `the last peer left: ${reason}`;
  }

  /** A message of the peer was refused; the front-end may never report this to its user. */
  peerRefused(reason: string): void {
    this.#fault = `refused the peer's ${reason}`;
  }

  /** The peer negotiates again: earlier errors may no longer apply. */
  peerNegotiates(): void {
    this.#fault = '';
  }

  driverGone(): void {
    this.#sentReason = '';
  }

  /** `misfit` says why the driver cannot work with the peer; empty when it can. */
  update(up: boolean, peer: ConnectedPeer | null, misfit: () => string): void {
    const reason = up ? null : this.#whyNoLink(peer, misfit);
    if (reason) this.#reason.update(reason);
    else if (up) this.#reason.linkUp();
    else this.#reason.forget();
    if (up) this.#sentReason = this.#fault = '';
    this.#send();
  }

  /** Null when there is neither a peer nor a driver. */
  #whyNoLink(peer: ConnectedPeer | null, misfit: () => string): Reason | null {
    const { ready } = this.#driver;
    if (!peer && !ready) return null;
    if (!peer?.ready && this.#fault !== '') return fault(this.#fault);
    if (!peer) return state(`no peer is connected${this.#left ? `; the last one left: ${this.#left}` : ''}`);
    if (!peer.ready) return whyNotReady(peer);
    if (!ready) return state('no driver has initialized the function');
    const why = misfit();
    return why === '' ? passing('the driver has not taken its control messages') : fault(why);
  }

  #send(): void {
    const text = this.#reason.published;
    if (text === '' || text === this.#sentReason || !this.#driver.ready || !this.#driver.drained) return;
    if (!hasFeature(this.#driver.features, VHOST_PCI_F_LINK_REASON)) return;
    this.#sentReason = text;
    this.#driver.send(linkReasonMessage(text));
  }
}
