// SPDX-License-Identifier: BSD-3-Clause
// Uncut packets from one peer to another that does not accept them uncut: TCP and UDP over IPv4 and IPv6,
// mbufs of any size, both kinds of ring, with and without mergeable buffers, with any amount of room. The
// received frames are compared with those that the sender's own stack would have sent
// (test/model/segmentation.ts).
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_HDR } from '../src/abi/virtio-net.ts';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '../src/abi/virtio-ring.ts';
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO, Mempool } from '../src/ethdev/mempool.ts';
import { type MappingHandle, type MemoryHandle, NO_NEXT, native, QUEUE_RUNNING } from '../src/native.ts';
import { features } from '../src/virtio/features.ts';
import {
  checksumOffset,
  cut,
  type Flow,
  headerBytes,
  isIntact,
  transportOffset,
  uncut,
} from './model/segmentation.ts';
import { ScriptedPackedRing } from './support/scripted-packed-ring.ts';
import { ScriptedRing } from './support/scripted-ring.ts';

const GPA = 0x4000_0000n;
const BYTES = 4 << 20;
const PLACE = { desc: 0, avail: 0x4000, used: 0x8000 };
const HEADER = VIRTIO_NET_HDR.size;
const RUNS = Number(process.env.FRAMING_RUNS ?? 200);

interface Case {
  readonly flow: Flow;
  readonly payload: Uint8Array;
  readonly size: number;
  readonly dataRoom: number;
  readonly mergeable: boolean;
  /** The peer completes checksums (GUEST_CSUM), or all are completed here. */
  readonly checks: boolean;
  readonly ringSize: number;
  /** Number of buffers that the peer posts before each burst, and the size of each. */
  readonly posts: readonly { readonly count: number; readonly bytes: number }[];
}

const flows: fc.Arbitrary<Flow> = fc
  .record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    ip: fc.constantFrom(4 as const, 6 as const),
    tags: fc.array(fc.nat(4095), { maxLength: 2 }),
    options: fc.nat(5),
    tcpOptions: fc.nat(10).map((words) => 4 * words),
    tcpFlags: fc.nat(255),
    sequence: fc.oneof(fc.nat(0xffff_ffff), fc.integer({ min: 0xffff_f000, max: 0xffff_ffff })),
    ipId: fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xfff0, max: 0xffff })),
    addresses: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  })
  .map(({ options, ...flow }) => ({ ...flow, ipOptions: options * (flow.ip === 4 ? 4 : 8) }));

const cases = (packed: boolean): fc.Arbitrary<Case> =>
  fc.record({
    flow: flows,
    payload: fc
      .record({ length: fc.oneof(fc.nat(300), fc.nat(9000)), seed: fc.nat(255) })
      .map(({ length, seed }) => Uint8Array.from({ length }, (_, i) => (seed + i * 13 + (i >> 7)) & 0xff)),
    size: fc.oneof(fc.integer({ min: 9, max: 300 }), fc.integer({ min: 500, max: 9000 })),
    dataRoom: fc.constantFrom(64, 128, 2048),
    mergeable: fc.boolean(),
    checks: fc.boolean(),
    ringSize: packed ? fc.integer({ min: 8, max: 70 }) : fc.constantFrom(8, 16, 64),
    posts: fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 8 }), bytes: fc.integer({ min: 1300, max: 2000 }) }),
      {
        minLength: 1,
        maxLength: 5,
      },
    ),
  });

/** A buffer has room for a segment, unless the peer merges buffers. */
const legal = ({ flow, size, mergeable, payload }: Case): Case['size'] =>
  Math.max(
    mergeable ? size : Math.min(size, 1000),
    // At most 1024 segments, and no more than a ring of 8 mergeable buffers holds of one packet.
    Math.ceil(payload.length / 1000),
    flow.protocol === 'udp' ? 1 : 8,
  );

let mapping: MappingHandle;
let table: MemoryHandle;

beforeAll(() => {
  mapping = native.mapAnonymous(BYTES, false);
  table = native.memoryCreate([{ gpa: GPA, size: BigInt(BYTES), mapping, offset: 0 }]);
});
afterAll(() => {
  native.memoryDestroy(table);
  native.unmap(mapping);
});

const flagsOf = ({ protocol, ip }: Flow): number =>
  MBUF_F_NEEDS_CSUM | (protocol === 'udp' ? MBUF_F_USO : ip === 4 ? MBUF_F_TSO4 : MBUF_F_TSO6);

/** Makes the packet, in mbufs filled as far as possible, and returns the first mbuf. */
function make(pool: Mempool, { flow, payload }: Case, size: number): number {
  const frame = uncut(flow, payload);
  const count = Math.ceil(frame.length / pool.dataRoom);
  const all = pool.vector(count);
  expect(pool.alloc(all, count)).toBe(count);
  for (const [i, id] of all.ids.entries()) {
    const part = frame.subarray(i * pool.dataRoom, (i + 1) * pool.dataRoom);
    pool.bytes.set(part, id * pool.stride + pool.dataOff[id]);
    pool.dataLen[id] = part.length;
    pool.next[id] = all.ids[i + 1] ?? NO_NEXT;
  }
  const [first] = all.ids;
  pool.pktLen[first] = frame.length;
  pool.olFlags[first] = flagsOf(flow);
  pool.csumStart[first] = transportOffset(flow);
  pool.csumOffset[first] = checksumOffset(flow);
  pool.gsoSize[first] = size;
  pool.hdrLen[first] = headerBytes(flow);
  return first;
}

/** A peer's receive ring that accepts nothing uncut, and the frames received in it. */
class Receiver {
  readonly ring: ScriptedRing | ScriptedPackedRing;
  readonly queue = native.queueCreate('tx');
  readonly frames: { readonly frame: Uint8Array; readonly flags: number }[] = [];

  constructor(packed: boolean, { ringSize, mergeable, checks }: Case) {
    this.ring = new (packed ? ScriptedPackedRing : ScriptedRing)({
      memory: native.mappingBuffer(mapping),
      gpa: GPA,
      ring: { ...PLACE, size: ringSize },
      buffers: { first: 0x10000, end: BYTES },
      startIndex: packed ? 0x8000 : 0xfffa,
      inOrder: false,
    });
    const bits = features(
      VIRTIO_F_VERSION_1,
      ...(packed ? [VIRTIO_F_RING_PACKED] : []),
      ...(mergeable ? [VIRTIO_NET_F_MRG_RXBUF] : []),
      ...(checks ? [VIRTIO_NET_F_GUEST_CSUM] : []),
    );
    native.queueStart(this.queue, { memory: table, ...this.ring.setup(), features: bits, notifyFd: -1 });
  }

  post(count: number, bytes: number): void {
    for (let i = 0; i < count && this.ring.free > 0; i++) this.ring.post([{ room: bytes }]);
  }

  collect(): void {
    const used = this.ring.collect().map(({ written }) => written);
    while (used.length > 0) {
      const header = Buffer.from(used[0].subarray(0, HEADER));
      const parts = used.splice(0, header.readUInt16LE(VIRTIO_NET_HDR.fields.num_buffers.offset));
      this.frames.push({ frame: Buffer.concat(parts).subarray(HEADER), flags: header.readUInt8(0) });
    }
  }

  close(): void {
    expect(native.queueState(this.queue)).toBe(QUEUE_RUNNING);
    native.queueDestroy(this.queue);
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

describe.each([
  ['split', false],
  ['packed', true],
] as const)('a peer with %s rings that takes no uncut packets', (_, packed) => {
  it('gets the segments that the sender would have made, whatever room it has', { timeout: 120_000 }, () => {
    const property = fc.property(cases(packed), (given) => {
      const { flow, payload, posts, dataRoom, checks } = given;
      const size = legal(given);
      const receiver = new Receiver(packed, given);
      const pool = new Mempool({ count: 512, dataRoom, hugepages: false });
      const pkts = pool.vector(1);
      pkts.ids[0] = make(pool, given, size);
      let taken = 0;
      for (let round = 0; taken === 0; round++) {
        expect(round).toBeLessThan(2000);
        const { count, bytes } = posts[round % posts.length];
        receiver.post(count, bytes);
        taken = native.txBurst(receiver.queue, pkts.handle, 0, 1);
        receiver.collect();
      }
      expect(pool.available).toBe(pool.count);
      const expected = cut(flow, payload, size);
      if (checks) {
        for (const { frame, flags } of receiver.frames) {
          expect(flags).toBe(1);
          finish(flow, frame);
        }
      } else {
        for (const { flags } of receiver.frames) expect(flags).toBe(0);
      }
      expect(receiver.frames.map(({ frame }) => text(frame))).toEqual(expected.map(text));
      for (const { frame } of receiver.frames) expect(isIntact(flow, frame)).toBe(true);
      const [packets, bytes, errors] = new BigUint64Array(native.queueStats(receiver.queue));
      expect([packets, bytes, errors].map(Number)).toEqual([
        expected.length,
        expected.reduce((sum, frame) => sum + frame.length, 0),
        0,
      ]);
      receiver.close();
      pool.close();
    });
    fc.assert(property, { numRuns: RUNS });
  });
});

/** What a receiver with GUEST_CSUM does: the sum over the rest of the packet replaces the pseudo-header's. */
function finish(flow: Flow, frame: Uint8Array): void {
  const at = transportOffset(flow);
  let sum = 0;
  for (let i = at; i < frame.length; i++) sum += frame[i] << ((i - at) % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const checksum = ~sum & 0xffff || 0xffff;
  frame[at + checksumOffset(flow)] = checksum >>> 8;
  frame[at + checksumOffset(flow) + 1] = checksum & 0xff;
}
