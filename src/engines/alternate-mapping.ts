// SPDX-License-Identifier: BSD-3-Clause
// A mapping of the peer's memory that replaces the carrier's own: a file of the same memory, device-DAX,
// /dev/mem at a physical address, or a UIO map. The user's choice is checked: size, alignment, and that it
// shows the same bytes as the window that it replaces.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { alignUp, PAGE } from '../alignment.ts';
import { failedTo, PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { readText, SYSFS } from '../pci/sysfs.ts';
import type { SharedArea } from './carrier.ts';
import type { RemoteRegion } from './records.ts';

export interface AlternateMapping {
  readonly path: string;
  /** Byte offset in the file of the window's first byte. */
  readonly offset: number;
}

/** An alternate mapping and the carrier's window that it replaces. */
export interface AlternateWindow extends AlternateMapping {
  readonly window: number;
}

const SAMPLES = 256;
const SAMPLE_BYTES = 64;
const SAMPLE_TRIES = 3;
/** The peer is running, so some samples may change between two reads. */
const MOST_DIFFERENT = SAMPLES / 8;

/**
 * Maps its first `bytes`, for writing by default. Throws VPCI_BAD_MEMORY, naming it, if it is too small or
 * misaligned; or an errno.
 */
export function mapAlternate(
  alternate: AlternateMapping,
  bytes: number,
  { sysfs = SYSFS, writable = true }: { readonly sysfs?: string; readonly writable?: boolean } = {},
): SharedArea {
  const name = `${alternate.path}@${alternate.offset}`;
  try {
    const fd = openSync(alternate.path, writable ? 'r+' : 'r');
    try {
      const { size, align } = limits(fd, alternate, sysfs);
      const length = alignUp(bytes, align);
      if (alternate.offset % align !== 0) throw bad(name, `the offset is not a multiple of ${align}`);
      if (alternate.offset + length > size) {
        throw bad(
          name,
          `it has ${Math.max(0, size - alternate.offset)} bytes there, but the peer's memory is ${length} bytes`,
        );
      }
      return {
        mapping: native.mapFd(fd, alternate.offset, length, writable),
        offset: 0,
        size: length,
        writable,
      };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as PmdError;
    if (code === 'VPCI_BAD_MEMORY') throw error;
    if (code === 'EPERM' && alternate.path === '/dev/mem') {
      throw new PmdError(
        'EPERM',
        `Failed to map the peer's memory from ${name}: the kernel denies /dev/mem access to memory that a driver has claimed; boot it with iomem=relaxed`,
      );
    }
    throw failedTo(`map the peer's memory from ${name}`, error);
  }
}

/**
 * Throws the errors of mapAlternate that do not depend on the peer's memory: a path that cannot be opened, an
 * offset that cannot be mapped.
 */
export function checkAlternate(alternate: AlternateMapping): void {
  native.unmap(mapAlternate(alternate, 1).mapping);
}

/**
 * Throws VPCI_BAD_MEMORY if the contents of the regions differ between the window and the alternate mapping.
 */
export function checkSameMemory(
  alternate: AlternateMapping,
  windowName: string,
  through: SharedArea,
  direct: readonly SharedArea[],
  regions: readonly RemoteRegion[],
): void {
  const samples = regions.flatMap((region) => samplePlaces(region, Math.ceil(SAMPLES / regions.length)));
  let different = 0;
  for (const place of samples) {
    const area = direct.find(({ offset, size }) => place >= offset && place + SAMPLE_BYTES <= offset + size);
    if (area && !same(through, area, place)) different++;
  }
  if (different <= MOST_DIFFERENT) return;
  throw bad(
    `${alternate.path}@${alternate.offset}`,
    `it is not the memory behind ${windowName}: ${different} of ${samples.length} places differ`,
  );
}

function same(through: SharedArea, area: SharedArea, place: number): boolean {
  for (let attempt = 0; attempt < SAMPLE_TRIES; attempt++) {
    const inWindow = place - area.offset;
    if (native.mappingEquals(through.mapping, place, area.mapping, inWindow, SAMPLE_BYTES)) return true;
  }
  return false;
}

/** Offsets in the window, spread evenly over a region. */
function samplePlaces(region: RemoteRegion, count: number): number[] {
  const [start, size] = [Number(region.offset), Number(region.size)];
  const step = Math.max(SAMPLE_BYTES, Math.floor(size / count / SAMPLE_BYTES) * SAMPLE_BYTES);
  const first = Math.ceil(start / SAMPLE_BYTES) * SAMPLE_BYTES;
  const places: number[] = [];
  for (let at = first; at + SAMPLE_BYTES <= start + size && places.length < count; at += step)
    places.push(at);
  return places;
}

/**
 * The size of the file and the alignment of its mappings. The size of a device that does not report it is
 * unlimited.
 */
function limits(fd: number, alternate: AlternateMapping, sysfs: string): { size: number; align: number } {
  const status = fstatSync(fd);
  if (status.isFile()) return { size: status.size, align: Math.max(PAGE, native.filePageSize(fd)) };
  if (!status.isCharacterDevice()) throw bad(alternate.path, 'it is neither a file nor a character device');
  const [major, minor] = deviceNumber(status.rdev);
  const folder = join(sysfs, 'dev/char', `${major}:${minor}`);
  // The offset n * page selects UIO map n (Documentation/driver-api/uio-howto.rst, "mmap()").
  const map = readText(join(folder, 'maps', `map${alternate.offset / PAGE}`, 'size'));
  if (map !== '') return { size: alternate.offset + Number(map), align: PAGE };
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
