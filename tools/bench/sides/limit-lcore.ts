// SPDX-License-Identifier: BSD-3-Clause
// The lcore of the suite "limit": returns the peer's descriptors untouched as fast as it can; with --touch it
// also touches the frames, but does nothing else that a driver does.
//
// Buffers from the peer's TX ring are returned as they are. Buffers from its RX ring must look received: the
// used length says so, and a peer with mergeable buffers also reads num_buffers in the buffer's header
// (VIRTIO 1.2, 5.1.6.4). So the first packets sent, or relayed, are real ones: from then on the buffers,
// which the peer uses again and again, hold a valid header and frame. Buffers used for the first time later
// are zeroed memory: num_buffers is 0, which DPDK reads as 1.
import { VIRTIO_NET_HDR } from '../../../src/abi/virtio-net.ts';
import type { LcoreMain } from '../../../src/lcore/context.ts';
import { native, type QueueHandle } from '../../../src/native.ts';

export interface UntouchedPlan {
  /** The addon's handles of the port's queues. */
  readonly rx: number;
  readonly tx: number;
  /** Seen from the back-end: 'rx' returns the peer's TX ring, 'tx' its RX ring, 'io' as many of each. */
  readonly direction: 'rx' | 'tx' | 'io';
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
  const { direction, pause } = lcore.data;
  if (direction === 'tx') sendReal(lcore);
  if (direction === 'io') relayReal(lcore);
  const burst = burstOf(lcore.data);
  while (lcore.running()) {
    standStill(pause);
    burst();
  }
};

function burstOf({ rx, tx, direction, size, touch, burst }: UntouchedPlan): () => number {
  const [receive, send] = [rx as QueueHandle, tx as QueueHandle];
  const length = VIRTIO_NET_HDR.size + size;
  if (direction === 'io') {
    const across = touch ? native.touchAcross : native.returnAcross;
    return () => across(receive, send, burst, length);
  }
  const one = touch ? native.touchBurst : native.returnBurst;
  return direction === 'rx' ? () => one(receive, burst, 0) : () => one(send, burst, length);
}

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

/** The frames that the peer began with, and what it made of them. */
const relayReal: LcoreMain<UntouchedPlan> = (lcore) => {
  const { rx, tx, burst, pause } = lcore.data;
  for (let moved = 0; moved < REAL_PACKETS && lcore.running(); ) {
    standStill(pause);
    moved += Math.max(0, native.relayBurst(rx as QueueHandle, tx as QueueHandle, burst));
  }
};

export default main;
