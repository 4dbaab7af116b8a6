// SPDX-License-Identifier: BSD-3-Clause
// The lcore of the suite "limit": returns the peer's descriptors untouched as fast as it can; with --touch it
// also touches the frames, but does nothing else that a driver does.
//
// Buffers from the peer's TX ring are returned as they are. Buffers from its RX ring must look received: the
// used length says so, and a peer with mergeable buffers also reads num_buffers in the buffer's header
// (VIRTIO 1.2, 5.1.6.4). So the first packets sent are real ones: from then on the buffers, which the peer
// uses again and again, hold a valid header and frame. Buffers used for the first time later are zeroed
// memory: num_buffers is 0, which DPDK reads as 1.
import { VIRTIO_NET_HDR } from '../../../src/abi/virtio-net.ts';
import type { LcoreMain } from '../../../src/lcore/context.ts';
import { native, type QueueHandle } from '../../../src/native.ts';

export interface UntouchedPlan {
  /** The addon's handle of the port's queue. */
  readonly queue: number;
  /** Seen from the back-end: 'rx' returns the peer's TX ring, 'tx' its RX ring. */
  readonly direction: 'rx' | 'tx';
  /** Bytes of a frame. */
  readonly size: number;
  /** The frames are read or written as well. */
  readonly touch: boolean;
  readonly burst: number;
  readonly hugepages: boolean;
  /** One word: 1 while this lcore must stand still. */
  readonly pause: Int32Array<SharedArrayBuffer>;
}

/** Several times the largest ring and pool with which a peer is started here. */
const REAL_PACKETS = 1 << 18;

const main: LcoreMain<UntouchedPlan> = (lcore) => {
  const { queue, direction, size, touch, burst, pause } = lcore.data;
  if (direction === 'tx') sendReal(lcore);
  const length = direction === 'tx' ? VIRTIO_NET_HDR.size + size : 0;
  const handle = queue as QueueHandle;
  while (lcore.running()) {
    standStill(pause);
    if (touch) native.touchBurst(handle, burst, length);
    else native.returnBurst(handle, burst, length);
  }
};

function standStill(pause: UntouchedPlan['pause']): void {
  if (Atomics.load(pause, 0) === 1) Atomics.wait(pause, 0, 1);
}

const sendReal: LcoreMain<UntouchedPlan> = (lcore) => {
  const { size, burst, hugepages } = lcore.data;
  const pool = lcore.createPool({ count: 2 * burst, dataRoom: Math.max(2048, size), hugepages });
  const pkts = pool.vector(burst);
  const tx = lcore.txQueue(0);
  for (let sent = 0; sent < REAL_PACKETS && lcore.running(); ) {
    standStill(lcore.data.pause);
    if (pool.alloc(pkts, burst) === 0) throw new Error('a pool of two bursts is empty');
    for (let i = 0; i < burst; i++) {
      pool.dataLen[pkts.ids[i] as number] = size;
      pool.pktLen[pkts.ids[i] as number] = size;
    }
    const taken = tx.burst(pkts, 0, burst);
    pool.free(pkts, taken, burst);
    sent += taken;
  }
  pool.close();
};

export default main;
