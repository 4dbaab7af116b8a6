// SPDX-License-Identifier: BSD-3-Clause
// Which foreign eventfds the device model reads (kicks, doorbells) and which it writes (calls, vectors). No
// eventfd may be both: if a front-end and a driver shared one, the device model would keep waking itself.
import { eventfdKind } from './eventfd-kind.ts';

type Role = 'read' | 'written';

export class EventfdRoles {
  /** Eventfd identities by descriptor. */
  readonly #ids: Record<Role, Map<number, number>> = { read: new Map(), written: new Map() };

  /**
   * False when the eventfd has the other role. Always true on kernels before 5.2, which do not identify
   * eventfds.
   */
  allows(fd: number, role: Role): boolean {
    const { id } = eventfdKind(fd);
    const others = this.#ids[role === 'read' ? 'written' : 'read'];
    return id === null || ![...others.values()].includes(id);
  }

  /** Gives the descriptor this role until `forget`. */
  note(fd: number, role: Role): void {
    const { id } = eventfdKind(fd);
    if (id !== null) this.#ids[role].set(fd, id);
  }

  /** Call before closing the descriptor; -1 is ignored. */
  forget(fd: number): void {
    this.#ids.read.delete(fd);
    this.#ids.written.delete(fd);
  }
}
