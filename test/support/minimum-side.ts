// SPDX-License-Identifier: BSD-3-Clause
// The least that a side of RFC 2.1 needs beside a ring engine: two files or ivshmem-plain devices, the base
// layout, no extension, polling. Written from docs/device-abi.md, "RFC 2.1"; of src/ it uses the addon alone.
//
//   npx tsx test/support/minimum-side.ts OWN PEER     sends every frame back, with its MAC addresses swapped
import { closeSync, fstatSync, openSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type MbufVector, Mempool } from '../../src/ethdev/mempool.ts';
import { type MappingHandle, native, type QueueHandle, type SectionSetup } from '../../src/native.ts';

const HEADER_BYTES = 4096;
const MAGIC = 0x31737076;
/** Words of the header, in bytes from its start. */
const AT = { magic: 0, version: 4, state: 8, features: 12, queuePairs: 16, rest: 20, end: 48 };
export const [RESET, INIT, READY, RUN] = [0, 1, 2, 3];

/** The whole file, or BAR 2 as sysfs shows it (resource2). */
function map(path: string, writable: boolean): { mapping: MappingHandle; bytes: number } {
  const fd = openSync(path, writable ? 'r+' : 'r');
  try {
    const bytes = fstatSync(fd).size;
    return { mapping: native.mapFd(fd, 0, bytes, writable), bytes };
  } finally {
    closeSync(fd);
  }
}

const to64 = (bytes: number) => Math.ceil(bytes / 64) * 64;

/** Where the parts of a section of `size` bytes lie. */
export function layoutOf(size: number) {
  const usedOffset = (entries: number) => to64(16 * entries + 6 + 2 * entries);
  const ringBytes = (entries: number) => to64(usedOffset(entries) + 6 + 8 * entries);
  let entries = 4096;
  while (entries > 64 && ringBytes(entries) >= Math.floor(size / 8)) entries /= 2;
  const dataOffset = ringBytes(entries);
  // The smallest rings keep the room of the next larger ones.
  if (dataOffset >= Math.floor(size / 8)) entries = 32;
  const maxFrame = Math.max(68, Math.min(16_384, Math.floor((size - dataOffset) / 16))) + 18;
  return { size, entries, usedOffset: usedOffset(entries), dataOffset, maxFrame };
}

export class MinimumSide {
  readonly rx: QueueHandle = native.queueCreate('rx');
  readonly tx: QueueHandle = native.queueCreate('tx');
  readonly #own: MappingHandle;
  readonly #peer: MappingHandle;
  readonly #bytes: number;
  #state = RESET;

  /** Our memory, which only we write, and the peer's, of the same size. */
  constructor(own: string, peer: string) {
    const [mine, other] = [map(own, true), map(peer, false)];
    if (mine.bytes !== other.bytes) throw new Error(`${own} and ${peer} differ in size`);
    this.#own = mine.mapping;
    this.#peer = other.mapping;
    this.#bytes = mine.bytes;
    this.#write(AT.state, RESET);
    this.#write(AT.version, 1);
    this.#write(AT.features, 0);
    this.#write(AT.queuePairs, 1);
    for (let at = AT.rest; at < AT.end; at += 4) this.#write(at, 0);
    this.#write(AT.magic, MAGIC);
  }

  get state(): number {
    return this.#state;
  }

  /** Looks at the peer's state, and goes one step further; call it again and again. */
  step(): void {
    const peer = this.#peerState();
    if (this.#state >= READY && peer === RESET) this.#reset();
    else if (this.#state === RESET && peer < READY) this.#enter(INIT);
    else if (this.#state === INIT && peer > RESET) {
      const section = new Uint8Array(native.mappingBuffer(this.#own), HEADER_BYTES);
      section.fill(0);
      this.#enter(READY);
    } else if (this.#state === READY && peer >= READY) {
      this.#start();
      this.#enter(RUN);
    }
  }

  receive(pkts: MbufVector, n: number): number {
    return native.rxBurst(this.rx, pkts.handle, n);
  }

  send(pkts: MbufVector, from: number, to: number): number {
    return native.txBurst(this.tx, pkts.handle, from, to);
  }

  close(): void {
    this.#reset();
    for (const queue of [this.rx, this.tx]) native.queueDestroy(queue);
    for (const mapping of [this.#own, this.#peer]) native.unmap(mapping);
  }

  #start(): void {
    const { maxFrame, ...layout } = layoutOf(this.#bytes - HEADER_BYTES);
    const setup: SectionSetup = {
      ...layout,
      own: { mapping: this.#own, offset: HEADER_BYTES },
      peer: { mapping: this.#peer, offset: HEADER_BYTES },
      headerBytes: 0,
      maxFrame,
      features: 0n,
      notifyFd: -1,
    };
    native.queueStartSection(this.tx, setup);
    native.queueStartSection(this.rx, setup);
  }

  #reset(): void {
    for (const queue of [this.rx, this.tx]) native.queueQuiesce(queue);
    this.#enter(RESET);
  }

  #enter(state: number): void {
    this.#state = state;
    this.#write(AT.state, state);
  }

  #write(at: number, value: number): void {
    native.atomicWrite(this.#own, at, value);
  }

  /** A peer without a header of ours, or in a state that does not exist, is in RESET. */
  #peerState(): number {
    const word = (at: number) => native.atomicRead(this.#peer, at) >>> 0;
    if (word(AT.magic) !== MAGIC || word(AT.version) !== 1) return RESET;
    const state = word(AT.state);
    return state > RUN ? RESET : state;
  }
}

/** Swaps the addresses of a frame: its first six bytes and the next six. */
function swap(frame: Uint8Array): void {
  const destination = frame.slice(0, 6);
  frame.copyWithin(0, 6, 12);
  frame.set(destination, 6);
}

function echo([own = '', peer = '']: readonly string[]): void {
  const side = new MinimumSide(own, peer);
  const pool = new Mempool({ hugepages: false });
  const pkts = pool.vector(32);
  let stopped = false;
  process.on('SIGTERM', () => {
    stopped = true;
  });
  const turn = () => {
    if (stopped) return side.close();
    side.step();
    const n = side.receive(pkts, 32);
    for (const id of pkts.ids.subarray(0, n)) {
      const start = id * pool.stride + pool.dataOff[id];
      swap(pool.bytes.subarray(start, start + 12));
    }
    pool.free(pkts, side.send(pkts, 0, n), n);
    setImmediate(turn);
  };
  turn();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) echo(process.argv.slice(2));
