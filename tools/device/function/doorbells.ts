// SPDX-License-Identifier: BSD-3-Clause
// The ioeventfds of a function's doorbell registers: made when a client first asks, relayed to their
// handlers.
import { native } from '../../../src/native.ts';
import { closeQuietly, ownedBy } from '../../socket/fds.ts';
import type { OnFault } from '../../socket/guard.ts';
import { EventRelay } from '../eventfd/event-relay.ts';
import type { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import type { NotifyEventfd } from '../vfio-user/commands.ts';

export interface Doorbell {
  /** Of its register in the register BAR. */
  readonly offset: number;
  /** Bytes of the write that it stands for. */
  readonly bytes: 2 | 4;
  ring(): void;
}

export class Doorbells {
  readonly #doorbells: readonly Doorbell[];
  readonly #eventfds: EventfdRoles;
  readonly #onFault: OnFault;
  #open: { readonly fd: number; readonly relay: EventRelay }[] = [];

  constructor(doorbells: readonly Doorbell[], eventfds: EventfdRoles, onFault: OnFault) {
    this.#doorbells = doorbells;
    this.#eventfds = eventfds;
    this.#onFault = onFault;
  }

  /** All of them or, when the process runs out of descriptors, none: then it throws. */
  eventfds(): readonly NotifyEventfd[] {
    if (this.#open.length === 0) this.#makeAll();
    return this.#doorbells.map(({ offset, bytes }, i) => ({ offset, bytes, fd: this.#open[i]?.fd ?? -1 }));
  }

  close(): void {
    for (const { fd, relay } of this.#open) {
      relay.close();
      this.#eventfds.forget(fd);
      closeQuietly(fd);
    }
    this.#open = [];
  }

  #makeAll(): void {
    try {
      for (const doorbell of this.#doorbells) this.#make(doorbell);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #make(doorbell: Doorbell): void {
    const fd = native.eventfd();
    ownedBy(fd, () => {
      // A doorbell is only broken by the driver itself, and harms only the driver.
      const relay = new EventRelay(
        fd,
        () => doorbell.ring(),
        () => {},
        this.#onFault,
      );
      this.#open.push({ fd, relay });
      this.#eventfds.note(fd, 'read');
    });
  }
}
