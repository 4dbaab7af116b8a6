// SPDX-License-Identifier: BSD-3-Clause
// Turns the peer's kicks into interrupts of the driver: one relay for each ring that has a kick descriptor.
import type { OnFault } from '../../socket/guard.ts';
import { EventRelay } from '../eventfd/event-relay.ts';
import type { Log } from '../log.ts';
import type { PeerRing } from '../vhost-user/peer.ts';
import { crossed, type DriverPort } from './driver-port.ts';

export class KickRelays {
  readonly #driver: Pick<DriverPort, 'interrupt'>;
  readonly #log: Log;
  readonly #onFault: OnFault;
  readonly #relays = new Map<number, EventRelay>();

  /** `onFault` ends the peer's connection. */
  constructor(driver: Pick<DriverPort, 'interrupt'>, log: Log, onFault: OnFault) {
    this.#driver = driver;
    this.#log = log;
    this.#onFault = onFault;
  }

  /** Starts relaying a ring's kick descriptor, which remains owned by the peer's state. */
  watch(ring: PeerRing): void {
    this.unwatch(ring);
    const raise = () => this.#driver.interrupt(crossed(ring.index));
    const broken = () => this.#log.event(`the kick descriptor of ring ${ring.index} is unusable`);
    this.#relays.set(ring.index, new EventRelay(ring.kickFd, raise, broken, this.#onFault));
    // A kick on the previous descriptor may have been missed while the driver was asleep.
    raise();
  }

  /** Call before the descriptor is closed. */
  unwatch(ring: PeerRing): void {
    this.#relays.get(ring.index)?.close();
    this.#relays.delete(ring.index);
  }

  close(): void {
    for (const relay of this.#relays.values()) relay.close();
    this.#relays.clear();
  }
}
