// SPDX-License-Identifier: BSD-3-Clause
// The eventfds that the driver set for its MSI-X vectors, and all forms of SET_IRQS (linux/vfio.h,
// VFIO_DEVICE_SET_IRQS).
import { decode } from '../../../src/abi/layout.ts';
import {
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
} from '../../../src/abi/vfio-user.ts';
import { native } from '../../../src/native.ts';
import { closeQuietly, takeFd } from '../../socket/fds.ts';
import { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import { EINVAL, VfioError } from './vfio-error.ts';

const DATA_MASK = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
const ACTION_MASK = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

export class IrqTable {
  readonly #eventfds: number[];
  /** Vectors raised while they had no eventfd, like the pending bits of a device. */
  readonly #missed = new Set<number>();

  readonly #roles: EventfdRoles;

  constructor(vectors: number, eventfds = new EventfdRoles()) {
    this.#roles = eventfds;
    this.#eventfds = new Array<number>(vectors).fill(-1);
  }

  /** Number of interrupts of IRQ index `index`; the function has only MSI-X. */
  count(index: number): number {
    return index === VFIO_PCI_MSIX_IRQ_INDEX ? this.#eventfds.length : 0;
  }

  /** Interrupts the driver; if the vector has no eventfd, as soon as it gets one. */
  raise(vector: number): void {
    const fd = this.#eventfds[vector] ?? -1;
    if (fd >= 0) native.eventfdSignal(fd);
    else if (vector < this.#eventfds.length) this.#missed.add(vector);
  }

  /** Executes a SET_IRQS payload; takes the eventfds that it keeps out of `fds`. Throws EINVAL. */
  set(payload: DataView, fds: number[]): void {
    const { argsz, flags, index, start, count } = decode(VFIO_IRQ_SET, payload);
    const data = flags & DATA_MASK;
    const action = flags & ACTION_MASK;
    if (argsz < VFIO_IRQ_SET.size || flags & ~(DATA_MASK | ACTION_MASK))
      throw invalid('invalid flags or size');
    if (!isOneBit(data) || !isOneBit(action)) throw invalid('other than one data type and one action');
    // A number holds the sum of two u32 exactly.
    if (index >= VFIO_PCI_NUM_IRQS || start + count > this.count(index))
      throw invalid('vectors that do not exist');
    if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) throw invalid('masking, which is not offered');
    if (data !== VFIO_IRQ_SET_DATA_EVENTFD && fds.length > 0) throw invalid('descriptors without EVENTFD');
    if (data === VFIO_IRQ_SET_DATA_EVENTFD) {
      this.#assign(start, count, fds);
      return;
    }
    if (data === VFIO_IRQ_SET_DATA_BOOL) {
      this.#trigger(start, booleans(payload, count));
      return;
    }
    if (count === 0) {
      this.clear();
      return;
    }
    this.#trigger(start, new Array<boolean>(count).fill(true));
  }

  /** Removes all eventfds. */
  clear(): void {
    for (const vector of this.#eventfds.keys()) this.#replace(vector, -1);
    this.#missed.clear();
  }

  /** A message without descriptors removes the eventfds (QEMU's -1). */
  #assign(start: number, count: number, fds: number[]): void {
    if (fds.length !== 0 && fds.length !== count)
      throw invalid(`${fds.length} eventfds for ${count} vectors`);
    if (!fds.every((fd) => native.isEventfd(fd))) throw invalid('a descriptor that is not an eventfd');
    if (!fds.every((fd) => this.#roles.allows(fd, 'written')))
      throw invalid('an eventfd that the device reads');
    const given = [...fds];
    for (let i = 0; i < count; i++) {
      const fd = given[i];
      this.#swap(start + i, fd === undefined ? -1 : takeFd(fds, fd));
    }
  }

  /**
   * The last interrupt may have gone to the previous eventfd, which is no longer watched, so it is raised
   * again.
   */
  #swap(vector: number, fd: number): void {
    const again = this.#missed.has(vector) || (this.#eventfds[vector] ?? -1) >= 0;
    this.#replace(vector, fd);
    if (fd < 0 || !again) return;
    this.#missed.delete(vector);
    this.raise(vector);
  }

  #trigger(start: number, which: readonly boolean[]): void {
    for (const [i, fire] of which.entries()) if (fire) this.raise(start + i);
  }

  #replace(vector: number, fd: number): void {
    const old = this.#eventfds[vector] ?? -1;
    this.#roles.forget(old);
    closeQuietly(old);
    this.#eventfds[vector] = fd;
    if (fd >= 0) this.#roles.note(fd, 'written');
  }
}

function booleans(payload: DataView, count: number): boolean[] {
  if (payload.byteLength < VFIO_IRQ_SET.size + count) throw invalid('fewer booleans than vectors');
  return Array.from({ length: count }, (_, i) => payload.getUint8(VFIO_IRQ_SET.size + i) !== 0);
}

function isOneBit(flags: number): boolean {
  return flags !== 0 && (flags & (flags - 1)) === 0;
}

function invalid(what: string): VfioError {
  return new VfioError(EINVAL, `SET_IRQS with ${what}`);
}
