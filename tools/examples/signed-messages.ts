// SPDX-License-Identifier: BSD-3-Clause
// signed-messages.ts SENDER RECEIVER --side FILE [--writable 1]: messages are written and signed in place,
// in the sender's own section, while the receiver tries to change them between the two. FILE is the sender's
// side, opened as the receiver's host hands it out: for reading, or with --writable 1 also for writing.
import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { openSync, readSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import {
  type LcoreContext,
  type MbufVector,
  type Mempool,
  type RxQueue,
  type TxQueue,
  writeUint16BE,
} from 'vhost-pci-pmd';
import { run } from './application.ts';

const HEADER = 14;
/** Local experimental EtherType (IEEE 802, 9.2.4). */
const ETHER_TYPE = 0x88b5;
const SIGNATURE = 64;
const [SENT, AS_WRITTEN, FORGED, INVALID] = [0, 1, 2, 3];
/** What the receiver would rather have read. */
const [TRUE, FALSE] = ['pay 10 euro', 'pay 99 euro'].map((text) => Buffer.from(text));

export interface Draft {
  readonly frame: Uint8Array;
  readonly length: number;
}

/** Writes the text where the receiver will read it; null without room. Nothing is visible before commit. */
export function draft(tx: TxQueue, text: string): Draft | null {
  const { inPlace } = tx;
  if (!inPlace || inPlace.reserve(1) === 0) return null;
  const at = inPlace.slots.offset[0];
  const frame = inPlace.slots.bytes().subarray(at, at + inPlace.slots.room[0]);
  frame.fill(0xff, 0, 6).fill(2, 6, 12);
  writeUint16BE(frame, 12, ETHER_TYPE);
  const length = Buffer.from(frame.buffer, frame.byteOffset).write(text, HEADER);
  return { frame, length };
}

/** Signs what is in the section now, and sends it. */
export function signAndSend(tx: TxQueue, { frame, length }: Draft, key: KeyObject): number {
  const end = HEADER + length;
  frame.set(sign(null, frame.subarray(HEADER, end), key), end);
  if (tx.inPlace) tx.inPlace.slots.length[0] = end + SIGNATURE;
  return tx.inPlace?.commit(1) ?? 0;
}

/** The text of a received frame; null if its signature is wrong. */
export function verified(frame: Uint8Array, key: KeyObject): string | null {
  const end = frame.length - SIGNATURE;
  const text = Buffer.from(frame.subarray(HEADER, end));
  return verify(null, text, key, frame.subarray(end)) ? text.toString() : null;
}

/** Changes each text that it finds in the sender's side; false if the descriptor does not allow that. */
export function attack(fd: number): boolean {
  const side = Buffer.alloc(1 << 20);
  const memory = side.subarray(0, readSync(fd, side, 0, side.length, 0));
  try {
    for (let at = memory.indexOf(TRUE); at >= 0; at = memory.indexOf(TRUE, at + 1))
      writeSync(fd, FALSE, 0, FALSE.length, at);
    return true;
  } catch {
    return false;
  }
}

export default function messages(
  lcore: LcoreContext<{ readonly side: string; readonly writable: boolean }>,
): void {
  const [tx, rx] = [lcore.txQueue(0), lcore.rxQueue(1)];
  const pool = lcore.createPool({ count: 64 });
  const pkts = pool.vector(1);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const fd = openSync(lcore.data.side, lcore.data.writable ? 'r+' : 'r');
  while (lcore.running()) {
    const text = `message ${lcore.stats[SENT]}: ${TRUE}`;
    const written = draft(tx, text);
    if (written === null) continue;
    attack(fd);
    lcore.stats[SENT] += signAndSend(tx, written, privateKey);
    const outcome = receive(lcore, rx, pool, pkts, publicKey, text);
    if (outcome !== undefined) lcore.stats[outcome]++;
  }
}

/** Waits for the message that was sent; undefined if the lcore is to end meanwhile. */
function receive(
  lcore: LcoreContext,
  rx: RxQueue,
  pool: Mempool,
  pkts: MbufVector,
  key: KeyObject,
  text: string,
): number | undefined {
  while (rx.burst(pkts, 1) === 0) if (!lcore.running()) return undefined;
  const [mbuf] = pkts.ids;
  const start = mbuf * pool.stride + pool.dataOff[mbuf];
  const got = verified(pool.bytes.subarray(start, start + pool.dataLen[mbuf]), key);
  pool.free(pkts, 0, 1);
  if (got === null) return INVALID;
  return got === text ? AS_WRITTEN : FORGED;
}

if (isMainThread)
  run({
    ...{ module: import.meta.url, devices: [2, 2] },
    usage: 'signed-messages.ts SENDER RECEIVER --side FILE [--writable 1]',
    counters: ['sent', 'received as written', 'forged', 'with a wrong signature'],
    options: { side: '', writable: '0' },
    data: ({ side, writable }, ports) => {
      if (side === '' || !ports[0].info.devargs.includes(`own=${side}`))
        throw new Error("--side must name the file of the sender's side, its own=");
      return { side, writable: writable === '1' };
    },
  });
