// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MbufVector, Mempool } from '../../ethdev/mempool.ts';
import type { LcoreContext } from '../../lcore/context.ts';
import { udpFrameHeaders } from '../../packet/frames.ts';
import { macBytes, macWords } from '../../packet/mac.ts';
import {
  type FwdEngine,
  type FwdStream,
  type RunPlan,
  STREAM_DROPPED,
  STREAM_RX,
  STREAM_TX,
} from './engine.ts';
import { engineNamed, engineNames } from './engines.ts';
import { fwdStream } from './plans.test-help.ts';

const BURST = 4;
let pools: Mempool[] = [];
let pool: Mempool;

beforeEach(() => {
  pool = newPool({ count: 64 });
});

afterEach(() => {
  for (const open of pools) open.close();
  pools = [];
});

function newPool(options: { count?: number; dataRoom?: number }): Mempool {
  const created = new Mempool({ ...options, hugepages: false });
  pools.push(created);
  return created;
}

const lcore = {
  createPool: (options: object) => {
    const created = newPool(options);
    created.close = () => {};
    return created;
  },
} as unknown as LcoreContext;

/** Bytes 1 to 20, `shift` bytes after the headroom. */
function receives(count: number, shift = 0) {
  return {
    burst(pkts: MbufVector, n: number): number {
      const taken = pool.alloc(pkts, Math.min(count, n));
      for (let i = 0; i < taken; i++) {
        const mbuf = pkts.ids[i];
        pool.dataOff[mbuf] += shift;
        pool.dataLen[mbuf] = 20;
        pool.pktLen[mbuf] = 20;
        for (let b = 0; b < 20; b++) pool.bytes[mbuf * pool.stride + pool.dataOff[mbuf] + b] = b + 1;
      }
      return taken;
    },
  };
}

/** Accepts `limit` packets of each burst and keeps their bytes. */
function sends(frames: number[][], limit = Number.POSITIVE_INFINITY) {
  return {
    burst(pkts: MbufVector, from: number, to: number): number {
      const taken = Math.min(limit, to - from);
      for (let i = from; i < from + taken; i++) frames.push(frameOf(pkts.pool, pkts.ids[i]));
      pkts.pool.free(pkts, from, from + taken);
      return taken;
    },
  };
}

function frameOf(from: Mempool, first: number): number[] {
  const bytes: number[] = [];
  for (let mbuf = first; bytes.length < from.pktLen[first]; mbuf = from.next[mbuf]) {
    const start = mbuf * from.stride + from.dataOff[mbuf];
    bytes.push(...from.bytes.subarray(start, start + from.dataLen[mbuf]));
  }
  return bytes;
}

function stream(rx: FwdStream['rx'], tx: FwdStream['tx'], run: Partial<RunPlan> = {}): FwdStream {
  const plan = { txMac: '02:6e:75:6c:6c:01', peerMac: '0a:0b:0c:0d:0e:0f' };
  return fwdStream({ rx, tx, pool, plan, run: { burst: BURST, ...run } });
}

function once(name: string, s: FwdStream): number {
  const engine: FwdEngine = engineNamed(name);
  engine.begin?.(lcore);
  engine.streamInit?.(s, lcore);
  const handled = engine.packetFwd(s);
  engine.end?.(s);
  return handled;
}

const counts = ({ counters }: FwdStream) => [
  counters[STREAM_RX],
  counters[STREAM_TX],
  counters[STREAM_DROPPED],
];
const received = Array.from({ length: 20 }, (_, i) => i + 1);
const swapped = [7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6, ...received.slice(12)];

describe('io', () => {
  it('sends received packets unmodified', () => {
    const frames: number[][] = [];
    const s = stream(receives(3), sends(frames));
    expect(once('io', s)).toBe(3);
    expect(frames).toEqual([received, received, received]);
    expect(counts(s)).toEqual([3, 3, 0]);
    expect(pool.available).toBe(64);
  });

  it('frees and counts what was not taken', () => {
    const s = stream(receives(4), sends([], 1));
    once('io', s);
    expect(counts(s)).toEqual([4, 1, 3]);
    expect(pool.available).toBe(64);
  });

  it('retries a bounded number of times in mode retry', () => {
    const s = stream(receives(4), sends([], 1), { retries: 2 });
    once('io', s);
    expect(counts(s)).toEqual([4, 3, 1]);
    expect(pool.available).toBe(64);
  });

  it('regression: a stop ends retries and the delay between them, and drops what they were for', () => {
    const endless = { retries: 4_294_967_295, retryDelay: 4_294_967_295 };
    for (const run of [endless, { ...endless, retryDelay: 0 }]) {
      const s = { ...stream(receives(4), sends([], 0), run), running: () => false };
      once('io', s);
      expect(counts(s)).toEqual([4, 0, 4]);
    }
    expect(pool.available).toBe(64);
  });

  it('relays from ring to ring, unless packets are to be copied through mbufs', () => {
    const relays = { ...receives(3), relayTo: () => ({ burst: () => 2 }) };
    const relayed = stream(relays, sends([]));
    expect(once('io', relayed)).toBe(2);
    expect(counts(relayed)).toEqual([2, 2, 0]);
    expect(once('io', stream(relays, sends([]), { inPlace: false }))).toBe(3);
  });

  it('does not touch the TX queue when nothing was received', () => {
    const tx = {
      burst: () => {
        throw new Error('called');
      },
    };
    expect(once('io', stream(receives(0), tx))).toBe(0);
  });
});

describe('macswap', () => {
  it.each([0, 1, 2])('exchanges the addresses of data %i bytes off alignment', (shift) => {
    const frames: number[][] = [];
    once('macswap', stream(receives(2, shift), sends(frames)));
    expect(frames).toEqual([swapped, swapped]);
  });
});

describe('mac', () => {
  it.each([0, 3])('sets peer and port addresses of data %i bytes off alignment', (shift) => {
    const frames: number[][] = [];
    once('mac', stream(receives(1, shift), sends(frames)));
    const addresses = [...macBytes('0a:0b:0c:0d:0e:0f'), ...macBytes('02:6e:75:6c:6c:01')];
    expect(frames).toEqual([[...addresses, ...received.slice(12)]]);
  });

  it('relays with those addresses, unless packets are to be copied through mbufs', () => {
    const asked: unknown[] = [];
    const relayTo = (_: unknown, macs?: Uint32Array) => {
      asked.push(macs);
      return { burst: () => 2 };
    };
    const relayed = stream({ ...receives(3), relayTo }, sends([]));
    expect(once('mac', relayed)).toBe(2);
    expect(counts(relayed)).toEqual([2, 2, 0]);
    expect(asked).toEqual([macWords('0a:0b:0c:0d:0e:0f', '02:6e:75:6c:6c:01')]);
    expect(once('mac', stream({ ...receives(3), relayTo }, sends([]), { inPlace: false }))).toBe(3);
  });

  it('sets addresses through mbufs where a relay cannot move the next packet', () => {
    const frames: number[][] = [];
    const relays = { ...receives(1), relayTo: () => ({ burst: () => -1 }) };
    once('mac', stream(relays, sends(frames)));
    expect(frames[0]?.slice(0, 6)).toEqual([...macBytes('0a:0b:0c:0d:0e:0f')]);
  });
});

describe('rxonly', () => {
  it('frees received packets', () => {
    const s = stream(receives(4), sends([]));
    once('rxonly', s);
    expect(counts(s)).toEqual([4, 0, 0]);
    expect(pool.available).toBe(64);
  });
});

describe('txonly', () => {
  const expected = (length: number) => {
    const frame = new Array<number>(length).fill(0);
    for (const [i, byte] of udpFrameHeaders(flow('0a:0b:0c:0d:0e:0f', '02:6e:75:6c:6c:01'), length).entries())
      frame[i] = byte;
    return frame;
  };

  it('sends full bursts of the frame repeatedly', () => {
    const frames: number[][] = [];
    const s = stream(receives(0), sends(frames));
    const engine = engineNamed('txonly');
    engine.streamInit?.(s, lcore);
    for (let i = 0; i < 40; i++) expect(engine.packetFwd(s)).toBe(BURST);
    expect(frames.length).toBe(40 * BURST);
    for (const frame of frames) expect(frame).toEqual(expected(64));
    expect(counts(s)).toEqual([0, 40 * BURST, 0]);
  });

  it('composes frames of several segments', () => {
    const frames: number[][] = [];
    const s = stream(receives(0), sends(frames), { txSegments: [20, 30, 50] });
    for (let i = 0; i < 3; i++) once('txonly', s);
    expect(frames.length).toBe(3 * BURST);
    for (const frame of frames) expect(frame.slice(0, 42)).toEqual(expected(100).slice(0, 42));
    expect(frames[0].length).toBe(100);
  });

  it('writes in place unless packets must be copied from mbufs', () => {
    const repeated: [number[], number][] = [];
    const inPlace = {
      repeat: ({ pool: from, ids }: MbufVector, length: number, n: number) => {
        const start = ids[0] * from.stride + from.dataOff[ids[0]];
        repeated.push([[...from.bytes.subarray(start, start + from.dataLen[ids[0]])], length]);
        return taken ?? n;
      },
    };
    let taken: number | undefined;
    const copied: number[][] = [];
    expect(once('txonly', stream(receives(0), { ...sends(copied), inPlace } as never))).toBe(BURST);
    expect(repeated).toEqual([[expected(64).slice(0, 42), 64]]);
    expect(copied).toEqual([]);
    once('txonly', stream(receives(0), { ...sends(copied), inPlace } as never, { inPlace: false }));
    expect(copied.length).toBe(BURST);
    expect(repeated.length).toBe(1);
    // Without free buffers there is nothing to copy into either; if they are too small in
    // place, a burst is used.
    copied.length = 0;
    taken = 0;
    const s = stream(receives(0), { ...sends(copied), inPlace } as never);
    expect(once('txonly', s)).toBe(0);
    expect([copied.length, counts(s)]).toEqual([0, [0, 0, BURST]]);
    taken = -1;
    expect(once('txonly', stream(receives(0), { ...sends(copied), inPlace } as never))).toBe(BURST);
    expect(copied.length).toBe(BURST);
  });

  it('regression: streams of an lcore that send the same frame share a pool, which the last one closes', () => {
    const open = new Set<Mempool>();
    const sharing = {
      createPool: (options: object) => {
        const created = newPool(options);
        open.add(created);
        created.close = () => void open.delete(created);
        return created;
      },
    } as unknown as LcoreContext;
    const engine = engineNamed('txonly');
    const streams = Array.from({ length: 64 }, () => stream(receives(0), sends([])));
    const other = stream(receives(0), sends([]), { txSegments: [100] });
    for (const s of [...streams, other]) engine.streamInit?.(s, sharing);
    expect(open.size).toBe(2);
    for (const s of streams) expect(engine.packetFwd(s)).toBe(BURST);
    for (const s of streams.slice(1)) engine.end?.(s);
    expect(open.size).toBe(2);
    engine.end?.(streams[0]);
    expect(open.size).toBe(1);
    engine.end?.(other);
    engine.streamInit?.(other, sharing);
    expect(open.size).toBe(1);
    expect(engine.packetFwd(other)).toBe(BURST);
  });

  it('frees and counts what was not taken', () => {
    const s = stream(receives(0), sends([], 1));
    const engine = engineNamed('txonly');
    engine.streamInit?.(s, lcore);
    for (let i = 0; i < 100; i++) expect(engine.packetFwd(s)).toBe(1);
    expect(counts(s)).toEqual([0, 100, 100 * (BURST - 1)]);
  });
});

describe('the UDP frame', () => {
  const frame = udpFrameHeaders(flow('02:00:00:00:00:01', '02:00:00:00:00:02'), 64);

  it('has a checksum that verifies', () => {
    const view = new DataView(frame.buffer);
    let sum = 0;
    for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
    expect(((sum & 0xffff) + (sum >>> 16)) & 0xffff).toBe(0xffff);
  });

  it('goes from 198.18.0.1 port 9 to 198.18.0.2 port 9, with the lengths of the whole frame', () => {
    const view = new DataView(frame.buffer);
    expect([...frame.subarray(26, 34)]).toEqual([198, 18, 0, 1, 198, 18, 0, 2]);
    expect([view.getUint16(16), view.getUint16(34), view.getUint16(36), view.getUint16(38)]).toEqual([
      50, 9, 9, 30,
    ]);
  });
});

it('addresses become words in memory order', () => {
  expect([...macWords('01:02:03:04:05:06', '07:08:09:0a:0b:0c')]).toEqual([
    0x04030201, 0x08070605, 0x0c0b0a09,
  ]);
  expect(() => macBytes('01:02')).toThrow('Invalid ethernet address: 01:02');
});

it('forward modes are found by name', () => {
  expect(engineNames).toEqual([
    'io',
    'mac',
    'macswap',
    'flowgen',
    'rxonly',
    'txonly',
    'csum',
    'icmpecho',
    'noisy',
    '5tswap',
    'recycle_mbufs',
    'shared_rxq',
  ]);
  expect(() => engineNamed('frob')).toThrow('frob');
});

function flow(destinationMac: string, sourceMac: string) {
  const [sourceIp, destinationIp] = ['198.18.0.1', '198.18.0.2'];
  return { destinationMac, sourceMac, sourceIp, destinationIp, sourcePort: 9, destinationPort: 9 };
}
