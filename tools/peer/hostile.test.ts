// SPDX-License-Identifier: BSD-3-Clause
// Each rule that hostile.ts breaks, against the ring engine in the device role.
import { afterEach, describe, expect, it } from 'vitest';
import { VIRTIO_NET_F_MRG_RXBUF } from '../../src/abi/virtio-net.ts';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1 } from '../../src/abi/virtio-ring.ts';
import {
  type MemoryHandle,
  native,
  type PoolHandle,
  QUEUE_BROKEN,
  QUEUE_COUNTERS,
  QUEUE_RUNNING,
  type QueueHandle,
} from '../../src/native.ts';
import { features } from '../../src/virtio/features.ts';
import { HARMLESS_KINDS, hostileKinds, writeHostile } from './hostile.ts';
import type { RingRole } from './hostile-target.ts';
import { PeerMemory } from './memory.ts';
import { clearRing, PEER_GPA, planMemory } from './memory-plan.ts';
import { defaultFlow, frameTemplate } from './traffic.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

const FEATURES = features(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF);
const PACKED = features(VIRTIO_F_RING_PACKED);
const plan = planMemory({ pairs: 1, queueSize: 64, frameSize: 64, mergeable: true });
const [pair] = plan.pairs;
if (!pair) throw new Error('no pair');

/** A queue of the device role on the peer's ring `role`, and what a test does with it. */
function joined(role: RingRole, packed: boolean) {
  const features = FEATURES | (packed ? PACKED : 0n);
  const place = pair[role];
  const memory = new PeerMemory(plan.bytes, false);
  clearRing(memory.view, place);
  const driver = native.driverQueueCreate(role, {
    mapping: memory.mapping,
    gpa: PEER_GPA,
    features,
    kickFd: -1,
    ...place,
  });
  const table: MemoryHandle = native.memoryCreate([
    { gpa: PEER_GPA, size: BigInt(plan.bytes), mapping: memory.mapping, offset: 0 },
  ]);
  const queue: QueueHandle = native.queueCreate(role === 'tx' ? 'rx' : 'tx');
  const address = (offset: number): bigint => PEER_GPA + BigInt(offset);
  native.queueStart(queue, {
    memory: table,
    desc: address(place.desc),
    avail: address(place.avail),
    used: address(place.used),
    size: place.size,
    lastAvailIdx: packed ? 0x8000 : 0,
    features,
    notifyFd: -1,
  });
  const pool: PoolHandle = native.poolCreate({ count: 256, dataRoom: 2048, headroom: 128, hugepages: false });
  const vector = native.vectorCreate(pool, 32);
  const target = { view: memory.view, ring: place, role, gpa: PEER_GPA, memoryBytes: plan.bytes };
  closers.push(() => {
    native.queueDestroy(queue);
    native.memoryDestroy(table);
    native.driverQueueDestroy(driver);
    native.poolDestroy(pool);
    memory.close();
  });
  const burst = (): number => {
    if (role === 'tx') return native.rxBurst(queue, vector, 32);
    const count = native.poolAlloc(vector, 1);
    const ids = new Uint32Array(native.poolBuffer(pool), native.vectorOffset(vector), 1);
    const layout = native.poolLayout(pool);
    const id = ids[0] as number;
    new Uint16Array(native.poolBuffer(pool), layout.dataLen, layout.count)[id] = 64;
    new Uint32Array(native.poolBuffer(pool), layout.pktLen, layout.count)[id] = 64;
    const sent = native.txBurst(queue, vector, 0, count);
    native.poolFree(vector, sent, count);
    return sent;
  };
  return { driver, queue, target, burst };
}

function counted(queue: QueueHandle, name: (typeof QUEUE_COUNTERS)[number]): number {
  return Number(new BigUint64Array(native.queueStats(queue))[QUEUE_COUNTERS.indexOf(name)]);
}

const breakingKinds = (packed: boolean): string[] =>
  hostileKinds(packed).filter((kind) => !HARMLESS_KINDS.includes(kind));

describe.each([
  ['split', false],
  ['packed', true],
] as const)('a hostile driver stops its %s queue and nothing else', (_, packed) => {
  it.each(breakingKinds(packed))('transmit ring: %s', (kind) => {
    const { queue, target, burst } = joined('tx', packed);
    writeHostile(kind, target, packed);
    expect(burst()).toBe(0);
    expect(native.queueState(queue)).toBe(QUEUE_BROKEN);
    expect(counted(queue, 'invalid_desc')).toBe(1);
    expect(burst()).toBe(0);
  });

  it.each(breakingKinds(packed))('receive ring: %s', (kind) => {
    const { queue, target, burst } = joined('rx', packed);
    writeHostile(kind, target, packed);
    expect(burst()).toBe(0);
    expect(native.queueState(queue)).toBe(QUEUE_BROKEN);
    expect(counted(queue, 'invalid_desc')).toBe(1);
  });

  it.each([1, 5, 63, 64, 65, 128, 200])('%i frames before the bad entry arrive', (frames) => {
    const { driver, queue, target, burst } = joined('tx', packed);
    native.driverTemplate(driver, frameTemplate(64, defaultFlow(0)));
    for (let left = frames; left > 0; left -= 5) {
      expect(native.driverGenerate(driver, Math.min(left, 5))).toBe(Math.min(left, 5));
      // The last few are still in the ring when it breaks.
      if (left > 5) expect(burst()).toBe(5);
    }
    writeHostile('address-wrap', target, packed);
    expect(burst()).toBe(frames % 5 || 5);
    expect(burst()).toBe(0);
    expect(native.queueState(queue)).toBe(QUEUE_BROKEN);
  });

  it.each(HARMLESS_KINDS)(
    'a transmit entry that is unusable is dropped, and the ring goes on: %s',
    (kind) => {
      const { driver, queue, target, burst } = joined('tx', packed);
      native.driverTemplate(driver, frameTemplate(64, defaultFlow(0)));
      native.driverGenerate(driver, 5);
      writeHostile(kind, target, packed);
      expect(burst()).toBe(5);
      expect(native.queueState(queue)).toBe(QUEUE_RUNNING);
      expect(counted(queue, 'errors')).toBe(1);
      expect(counted(queue, 'undersize_errors') + counted(queue, 'invalid_buffers')).toBe(1);
      expect(counted(queue, 'invalid_desc')).toBe(0);
      const { view, ring } = target;
      if (packed) expect(view.getUint16(ring.desc + 5 * 16 + 14, true) & 0x8080).toBe(0x8080);
      else expect(view.getUint16(ring.used + 2, true)).toBe(6);
    },
  );

  it.each(HARMLESS_KINDS)('receive buffers that are unusable go back, and the ring goes on: %s', (kind) => {
    const { queue, target, burst } = joined('rx', packed);
    writeHostile(kind, target, packed);
    for (let left = 64; left > 0; left--) {
      expect(burst()).toBe(0);
      expect(counted(queue, 'invalid_buffers')).toBe(65 - left);
    }
    expect(burst()).toBe(0);
    expect(native.queueState(queue)).toBe(QUEUE_RUNNING);
    expect(counted(queue, 'invalid_buffers')).toBe(64);
    expect(counted(queue, 'errors') + counted(queue, 'invalid_desc')).toBe(0);
  });

  it('the rings work before anything is broken', () => {
    const { queue, burst } = joined('rx', packed);
    expect(burst()).toBe(1);
    expect(native.queueState(queue)).toBe(QUEUE_RUNNING);
  });

  it('a rule of the other kind of ring is refused', () => {
    const { target } = joined('rx', packed);
    const kind = packed ? 'avail-jump' : 'list-with-bad-buffer';
    expect(() => writeHostile(kind, target, packed)).toThrow(`has no rule '${kind}'`);
  });
});
