// SPDX-License-Identifier: BSD-3-Clause
// VM2's receive ring as the host sees it in the file that holds VM2's memory, and the whole of that memory.
import { createHash } from 'node:crypto';
import { createReadStream, readSync, writeSync } from 'node:fs';
import type { Qmp } from './qmp.test-help.ts';

/** le16 in both areas (VIRTIO 1.2, 2.7.6 and 2.7.8). */
const INDEX_OFFSET = 2;
const NET = 'virtio-net';

interface VhostQueueStatus {
  readonly num: number;
  readonly 'avail-phys': number;
  readonly 'used-phys': number;
}

export interface PeerRing {
  readonly size: number;
  readonly avail: number;
  readonly used: number;
}

/**
 * The ring as QEMU knows it: below the hole, where all of VM2's memory is, an address is an offset in the
 * file. The command of the same name without "vhost" asks the back-end for the ring's base, which stops the
 * ring.
 */
export async function receiveRing(qmp: Qmp): Promise<PeerRing> {
  const devices = (await qmp.run('x-query-virtio')) as { name: string; path: string }[];
  const path = devices.find(({ name }) => name === NET)?.path;
  const ring = await qmp.run('x-query-virtio-vhost-queue-status', { path, queue: 0 });
  const { num, 'avail-phys': avail, 'used-phys': used } = ring as VhostQueueStatus;
  return { size: num, avail, used };
}

export function readIndex(fd: number, area: number): number {
  const bytes = Buffer.alloc(2);
  readSync(fd, bytes, 0, 2, area + INDEX_OFFSET);
  return bytes.readUInt16LE();
}

export function writeIndex(fd: number, area: number, index: number): void {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(index & 0xffff);
  writeSync(fd, bytes, 0, 2, area + INDEX_OFFSET);
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha1');
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(part);
  return hash.digest('hex');
}
