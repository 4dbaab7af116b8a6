// SPDX-License-Identifier: BSD-3-Clause
// Which foreign eventfds the device model reads (kicks, doorbells) and which it writes (calls, vectors). None may be both: one that a
// front-end and a driver share would wake the device model again and again for nothing.
import { eventfdKind } from './eventfd-kind.ts';

type Role = 'read' | 'written';

export class EventfdRoles {
  /** Identities by descriptor. */
  readonly #ids: Record<Role, Map<number, number>> = { read: new Map(), written: new Map() };

  /** False when the eventfd has the other role. Kernels before 5.2 do not identify eventfds: true. */
  allows(fd: number, role: Role): boolean {
    const { id } = eventfdKind(fd);
    const others = this.#ids[role === 'read' ? 'written' : 'read'];
    return id === null || ![...others.values()].includes(id);
  }

  /** From now until `forget` the descriptor has this role. */
  note(fd: number, role: Role): void {
    const { id } = eventfdKind(fd);
    if (id !== null) this.#ids[role].set(fd, id);
  }

  /** Before it is closed; -1 is none. */
  forget(fd: number): void {
    this.#ids.read.delete(fd);
    this.#ids.written.delete(fd);
  }
}
