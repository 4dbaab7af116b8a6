// SPDX-License-Identifier: BSD-3-Clause
// Classic pcap files (libpcap's savefile format, version 2.4, Ethernet), for DPDK's net_pcap device.
import { readFileSync, writeFileSync } from 'node:fs';

const MAGIC = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;
const HEADER = 24;
const RECORD = 16;

export function writePcap(path: string, frames: readonly Uint8Array[]): void {
  writeFileSync(path, encodePcap(frames));
}

export function encodePcap(frames: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(LINKTYPE_ETHERNET, 20);
  const records = frames.flatMap((frame, i) => {
    const record = Buffer.alloc(RECORD);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}

/** The frames of a file; an incomplete record at the end (the writer is still writing) is left out. */
export function readPcap(path: string): Buffer[] {
  return decodePcap(readFileSync(path));
}

export function decodePcap(file: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = HEADER; at + RECORD <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const start = at + RECORD;
    if (start + length > file.length) break;
    frames.push(file.subarray(start, start + length));
    at = start + length;
  }
  return frames;
}
