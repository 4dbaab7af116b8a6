// SPDX-License-Identifier: BSD-3-Clause
// The position of a driver in a packed ring when it vanished. A packed ring has no index to tell, so the
// driver keeps its position in its own memory (docs/device-abi.md, "Position words"). That memory belongs to
// the driver and the ring to the peer: neither is trusted to be consistent.
import { VHOST_PCI_GATE_WORDS, VHOST_PCI_POSITION_WORDS } from '../../../src/abi/vhost-pci.ts';
import { PVIRTQ_DESC, VRING_PACKED_DESC_F_USED, VRING_PACKED_WRAP } from '../../../src/abi/virtio-ring.ts';
import type { DmaMap } from '../vfio-user/dma-table.ts';
import type { DriverMemory } from './driver-memory.ts';

export interface PositionWords {
  /** Position after the last packet shown to the peer. */
  readonly shown: number;
  /** Position after the packet that was being shown to the peer. */
  readonly next: number;
  readonly serial: number;
}

/** The position words of a driver's data queues, for as long as its memory is mapped. */
export class DriverPositions {
  readonly #memory: DriverMemory;
  readonly #areas: readonly (bigint | null)[];

  /** `areas`: the driver area of each data queue; null for a queue that the driver did not set up. */
  constructor(memory: DriverMemory, areas: readonly (bigint | null)[]) {
    this.#memory = memory;
    this.#areas = areas;
  }

  /** Null when the words lie in memory that the device cannot access. */
  read(queue: number): PositionWords | null {
    const area = this.#areas[queue] ?? null;
    const word = ({ offset }: { readonly offset: number }) =>
      area === null ? null : this.#memory.readU16(area + BigInt(offset));
    const { fields } = VHOST_PCI_POSITION_WORDS;
    const [shown, next, serial] = [word(fields.shown), word(fields.next), word(fields.serial)];
    return shown === null || next === null || serial === null ? null : { shown, next, serial };
  }

  /** True when the words of any area, including gate words, overlap this map. */
  liesIn(map: DmaMap): boolean {
    const bytes = BigInt(VHOST_PCI_GATE_WORDS.size);
    return this.#areas.some((area) => area !== null && area + bytes > map.iova && area < map.iova + map.size);
  }
}

interface PlacedRing {
  readonly num: number;
  readonly guest: { readonly desc: bigint } | null;
}

interface ReadableMemory {
  read(gpa: bigint, bytes: number): DataView | null;
}

/** The position where the next driver must continue; null when the words or the ring are inconsistent. */
export function whereItStopped(
  { shown, next }: PositionWords,
  ring: PlacedRing,
  memory: ReadableMemory,
): number | null {
  if (slotOf(shown) >= ring.num || slotOf(next) >= ring.num) return null;
  if (shown === next) return shown;
  const table = ring.guest && memory.read(ring.guest.desc, ring.num * PVIRTQ_DESC.size);
  if (!table) return null;
  // The first used descriptor shows the packet to the peer, and is written last.
  if (isUsed(table, shown)) return next;
  // The remainder of a packet was being written: the previous contents of those slots are lost.
  for (let at = after(shown, ring.num); at !== next; at = after(at, ring.num)) {
    if (at === shown || isUsed(table, at)) return null;
  }
  return shown;
}

const slotOf = (position: number): number => position & ~VRING_PACKED_WRAP;

function after(position: number, num: number): number {
  return slotOf(position) + 1 < num ? position + 1 : (position & VRING_PACKED_WRAP) ^ VRING_PACKED_WRAP;
}

/**
 * Whether a slot has been used in the round of `position`. Ignores AVAIL, because the peer may already have
 * made the slot available again (VIRTIO 1.2, 2.8.1).
 */
function isUsed(table: DataView, position: number): boolean {
  const at = slotOf(position) * PVIRTQ_DESC.size + PVIRTQ_DESC.fields.flags.offset;
  const used = (table.getUint16(at, true) & VRING_PACKED_DESC_F_USED) !== 0;
  return used === ((position & VRING_PACKED_WRAP) !== 0);
}
