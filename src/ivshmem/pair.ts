// SPDX-License-Identifier: BSD-3-Clause
// The memory of both sides: a file or ivshmem function for each, or the halves of one. Our side is mapped for
// writing, the peer's for reading only, whatever the file or the device allows.
import { PAGE } from '../alignment.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { PmdError } from '../errors.ts';
import { type MappingHandle, native } from '../native.ts';
import type { SideMemory } from '../sections/carrier.ts';
import { warn } from '../warnings.ts';
import {
  fileSize,
  identityOf,
  isFunction,
  memoryOf,
  openFunction,
  openMemoryFile,
  type Place,
} from './place.ts';

export interface PairPlaces {
  readonly own: string;
  readonly peer: string;
  /** Which half of one memory is ours; null for two memories. */
  readonly side: 0 | 1 | null;
}

/** What both sides' memory needs, and releases. */
export interface MemoryPair {
  readonly name: string;
  readonly own: SideMemory;
  readonly peer: SideMemory;
  /** Its functions: none for files. */
  readonly functions: readonly PciDevice[];
  close(): void;
}

/** A side has a header page and a section. */
const LEAST_SIDE = 2 * PAGE;

/**
 * Opens and maps both sides. `shared` is a function that is open already, and is one of the places: the pair
 * owns it then. Throws VPCI_DEVARGS, VPCI_BAD_MEMORY, VPCI_WRONG_DEVICE, an errno, or what the bus throws.
 */
export function openPair(places: PairPlaces): MemoryPair {
  const { own, peer, side } = places;
  const same = identityOf(own) !== null && identityOf(own) === identityOf(peer);
  if (same && side === null) throw sameMemory(own);
  if (!same && side !== null) throw wrong(`side= is for halves of one memory, but own= and peer= differ`);
  const opened: Place[] = [];
  const mapped: MappingHandle[] = [];
  const release = () => {
    for (const mapping of mapped.splice(0)) native.unmap(mapping);
    for (const place of opened.splice(0)) place.close();
  };
  const open = (text: string, writable: boolean): Place => {
    const place = isFunction(text) ? memoryOf(openFunction(text)) : openMemoryFile(text, writable);
    opened.push(place);
    return place;
  };
  const map = (place: Place, offset: number, size: number, writable: boolean): SideMemory => {
    if (!isSide(size))
      throw new PmdError('VPCI_BAD_MEMORY', `Failed to open ${place.name}: ${tooSmall(place.size, side)}`);
    const mapping = place.map(offset, size, writable);
    mapped.push(mapping);
    return { mapping, offset: 0, size, writable };
  };
  try {
    const [first, second] = same ? [open(own, true)] : [open(own, true), open(peer, false)];
    if (!first) throw wrong('it has no memory');
    const bytes = side === null ? first.size : first.size / 2;
    const other = second ?? first;
    const start = side === 1 ? bytes : 0;
    // No more than a warning: a peer that may read the file can lock it, too.
    if (bytes > 0 && !first.take(start, bytes)) warn({ code: 'VPCI_SIDE_IN_USE', message: inUse(own) });
    return {
      name: same ? `${own} (half ${side})` : `${own} and ${peer}`,
      own: map(first, start, bytes, true),
      peer: map(other, side === 0 ? bytes : 0, second?.size ?? bytes, false),
      functions: opened.map(({ pci }) => pci).filter((pci) => pci !== null),
      close: release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

const isSide = (bytes: number): boolean => bytes >= LEAST_SIDE && bytes % PAGE === 0;

/** Its halves would do, if they are large enough. */
function sameMemory(own: string): PmdError {
  const same = `own= and peer= are the same memory, ${own}`;
  const bytes = fileSize(own);
  if (bytes === null || isSide(bytes / 2))
    return wrong(`${same}: add side=0 at one end and side=1 at the other`);
  return wrong(`${same}, and its ${tooSmall(bytes, 0)}; truncate -s 1M ${own}, and add side=0 or side=1`);
}

function tooSmall(bytes: number, side: 0 | 1 | null): string {
  if (bytes === 0 && side === null) return 'it has no memory';
  if (side === null) return `${bytes} bytes are no side: ${LEAST_SIDE} bytes at least, in whole pages`;
  return `${bytes} bytes are no two sides: ${2 * LEAST_SIDE} bytes at least, each in whole pages`;
}

const inUse = (own: string): string =>
  `${own}: another driver has it as its own side, too; at the other end own= and peer= (or side=) are exchanged`;

function wrong(cause: string): PmdError {
  return new PmdError('VPCI_DEVARGS', `Failed to open the memory: ${cause}`);
}
