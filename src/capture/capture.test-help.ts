// SPDX-License-Identifier: BSD-3-Clause
// Capture files of tests: written to memory, read from a temporary folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Sink } from './block-buffer.ts';
import { bytesOf, type CapturedPacket } from './packet.ts';
import { CaptureFile } from './reader.ts';
import type { PacketHeader } from './writer.ts';

export interface Written {
  readonly header: PacketHeader;
  readonly bytes: Uint8Array;
}

/** A sink that keeps what it is given. */
export function memory(): { readonly sink: Sink; readonly bytes: () => Buffer } {
  const parts: Buffer[] = [];
  return {
    sink: (bytes, length) => parts.push(Buffer.from(bytes.subarray(0, length))),
    bytes: () => Buffer.concat(parts),
  };
}

/** A folder for the file's tests. */
export function captureFolder(): { readonly file: (bytes: Uint8Array) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'vpci-capture-'));
  let count = 0;
  afterAll(() => rmSync(folder, { recursive: true }));
  return {
    file: (bytes) => {
      const path = join(folder, `${count++}.pcap`);
      writeFileSync(path, bytes);
      return path;
    },
  };
}

/** Every packet of the file, copied; an error comes after those before it. */
export function readAll(path: string): { packets: CapturedPacket[]; error?: Error } {
  const packets: CapturedPacket[] = [];
  let file: CaptureFile | undefined;
  try {
    file = CaptureFile.open(path);
    for (let one = file.next(); one !== undefined; one = file.next())
      packets.push({ ...one, bytes: bytesOf(one).slice(), offset: 0 });
    return { packets };
  } catch (error) {
    return { packets, error: error as Error };
  } finally {
    file?.close();
  }
}
