// SPDX-License-Identifier: BSD-3-Clause
// Another road to the peer's memory than BAR 2: a file of the same memory, device-DAX, /dev/mem at a physical address, or the map of a
// UIO helper. Whatever the user names is checked: size, alignment, and that it shows the same bytes as the BAR.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { MappedArea } from '../bus/pci-device.ts';
import { failedTo, PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { readText, SYSFS } from '../pci/sysfs.ts';
import type { RemoteRegion } from './records.ts';

export interface MemoryRoad {
  readonly path: string;
  /** Byte offset in the file of the first byte of BAR 2. */
  readonly offset: number;
}

/** The BAR that a road stands for. */
export const ROAD_BAR = 2;
const PAGE = 4096;
const SAMPLES = 256;
const SAMPLE_BYTES = 64;
const SAMPLE_TRIES = 3;
/** The peer is at work, so that some samples may change between two looks. */
const MOST_DIFFERENT = SAMPLES / 8;

/** Maps the first `bytes` of the road. Throws VPCI_BAD_MEMORY, naming it, when it is too small or misaligned; or an errno. */
export function mapRoad(road: MemoryRoad, bytes: number, sysfs: string = SYSFS): MappedArea {
  const name = `${road.path}@${road.offset}`;
  try {
    const fd = openSync(road.path, 'r+');
    try {
      const { size, align } = limits(fd, road, sysfs);
      const length = Math.ceil(bytes / align) * align;
      if (road.offset % align !== 0) throw bad(name, `the offset is no multiple of ${align}`);
      if (road.offset + length > size) {
        throw bad(name, `it has ${Math.max(0, size - road.offset)} bytes there, the peer's memory ${length}`);
      }
      return { mapping: native.mapFd(fd, road.offset, length, true), barOffset: 0, size: length };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as PmdError;
    if (code === 'VPCI_BAD_MEMORY') throw error;
    if (code === 'EPERM' && road.path === '/dev/mem') {
      throw new PmdError(
        'EPERM',
        `Failed to map the peer's memory from ${name}: the kernel does not let /dev/mem reach what a driver holds; start it with iomem=relaxed`,
      );
    }
    throw failedTo(`map the peer's memory from ${name}`, error);
  }
}

/** Throws what mapRoad would throw whatever the peer's memory is: a path that cannot be opened, an offset that cannot be mapped. */
export function checkRoad(road: MemoryRoad): void {
  native.unmap(mapRoad(road, 1).mapping);
}

/** Throws VPCI_BAD_MEMORY when the regions look different through the BAR and through the road. */
export function checkSameMemory(
  road: MemoryRoad,
  through: MappedArea,
  bar: readonly MappedArea[],
  regions: readonly RemoteRegion[],
): void {
  const samples = regions.flatMap((region) => samplePlaces(region, Math.ceil(SAMPLES / regions.length)));
  let different = 0;
  for (const place of samples) {
    const area = bar.find(
      ({ barOffset, size }) => place >= barOffset && place + SAMPLE_BYTES <= barOffset + size,
    );
    if (area && !same(through, area, place)) different++;
  }
  if (different <= MOST_DIFFERENT) return;
  throw bad(
    `${road.path}@${road.offset}`,
    `it is not the memory behind BAR ${ROAD_BAR}: ${different} of ${samples.length} places differ`,
  );
}

function same(through: MappedArea, area: MappedArea, place: number): boolean {
  for (let attempt = 0; attempt < SAMPLE_TRIES; attempt++) {
    const inBar = place - area.barOffset;
    if (native.mappingEquals(through.mapping, place, area.mapping, inBar, SAMPLE_BYTES)) return true;
  }
  return false;
}

/** Offsets in the BAR, spread evenly over a region. */
function samplePlaces(region: RemoteRegion, count: number): number[] {
  const [start, size] = [Number(region.offset), Number(region.size)];
  const step = Math.max(SAMPLE_BYTES, Math.floor(size / count / SAMPLE_BYTES) * SAMPLE_BYTES);
  const first = Math.ceil(start / SAMPLE_BYTES) * SAMPLE_BYTES;
  const places: number[] = [];
  for (let at = first; at + SAMPLE_BYTES <= start + size && places.length < count; at += step)
    places.push(at);
  return places;
}

/** How far the file reaches and on what multiples it can be mapped. A device that does not say has no end that we know. */
function limits(fd: number, road: MemoryRoad, sysfs: string): { size: number; align: number } {
  const status = fstatSync(fd);
  if (status.isFile()) return { size: status.size, align: Math.max(PAGE, native.filePageSize(fd)) };
  if (!status.isCharacterDevice()) throw bad(road.path, 'it is neither a file nor a character device');
  const [major, minor] = deviceNumber(status.rdev);
  const folder = join(sysfs, 'dev/char', `${major}:${minor}`);
  // A UIO map number n is chosen by the offset n * page (Documentation/driver-api/uio-howto.rst, "mmap()").
  const map = readText(join(folder, 'maps', `map${road.offset / PAGE}`, 'size'));
  if (map !== '') return { size: road.offset + Number(map), align: PAGE };
  // Device-DAX: Documentation/ABI/testing/sysfs-bus-dax.
  const size = readText(join(folder, 'size'));
  const align = Number(readText(join(folder, 'align')) || PAGE);
  return { size: size === '' ? Number.MAX_SAFE_INTEGER : Number(size), align };
}

/** As glibc's major() and minor(). */
function deviceNumber(rdev: number): [number, number] {
  const dev = BigInt(rdev);
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xffff_f000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffff_ff00n);
  return [Number(major), Number(minor)];
}

function bad(name: string, cause: string): PmdError {
  return new PmdError('VPCI_BAD_MEMORY', `Failed to map the peer's memory from ${name}: ${cause}`);
}
