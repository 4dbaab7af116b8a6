// SPDX-License-Identifier: BSD-3-Clause
// Registers behind a kernel file: a region of a VFIO device, or the configuration space in sysfs. Each access
// is one pread or pwrite of its width, which the kernel turns into one access to the device.
import { readSync, writeSync } from 'node:fs';
import { failedTo, PmdError } from '../errors.ts';
import { type Registers, registersOver } from '../pci/registers.ts';

export interface FileRegion {
  readonly fd: number;
  /** Byte offset of the region in the file. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** "BAR 0 of 0000:00:04.0", for messages. */
  readonly name: string;
}

/** An access outside the region throws VPCI_BAD_ACCESS; one that the kernel refuses throws its errno. */
export function fileRegisters(region: FileRegion): Registers {
  const buffer = Buffer.alloc(4);
  const access = (verb: 'read' | 'write', offset: number, width: number) => {
    checkAccess(region, offset, width);
    const position = region.start + offset;
    try {
      const done =
        verb === 'read'
          ? readSync(region.fd, buffer, 0, width, position)
          : writeSync(region.fd, buffer, 0, width, position);
      if (done === width) return;
    } catch (error) {
      throw failedTo(`${verb} offset 0x${offset.toString(16)} of ${region.name}`, error);
    }
    throw new PmdError('EIO', `Failed to ${verb} offset 0x${offset.toString(16)} of ${region.name}: short`);
  };
  return registersOver(
    (offset, width) => {
      access('read', offset, width);
      return buffer.readUIntLE(0, width);
    },
    (offset, width, value) => {
      // Registers take the low bytes of a value, as a store would.
      buffer.writeInt32LE(value | 0);
      access('write', offset, width);
    },
  );
}

/** Throws VPCI_BAD_ACCESS if an access is not within the region. */
export function checkAccess(region: Pick<FileRegion, 'size' | 'name'>, offset: number, width: number): void {
  if (offset >= 0 && offset + width <= region.size) return;
  throw new PmdError(
    'VPCI_BAD_ACCESS',
    `Access of ${width} bytes at ${offset} of ${region.name} (${region.size} bytes)`,
  );
}
