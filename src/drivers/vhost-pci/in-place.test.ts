// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  DISABLED,
  FakeVhostPci,
  PEER_FEATURES,
  peerFeatures,
  placedMemory,
  remoteQueues,
  SESSION_FEATURES,
} from '../../../test/support/fake-vhost-pci.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../../test/support/remote-peer.ts';
import type { RxInPlace, TxInPlace } from '../../ethdev/in-place.ts';
import { Mempool } from '../../ethdev/mempool.ts';
import type { RxQueue, TxQueue } from '../../ethdev/port.ts';
import { macBytes, macWords } from '../../packet/mac.ts';
import { openVhostPciPort, vhostPciDriver } from './driver.ts';
import type { VhostPciPort } from './port.ts';

describe("queues in a peer's memory", () => {
  let peer: RemotePeer;
  let fake: FakeVhostPci;
  let port: VhostPciPort;
  let rx: RxQueue;
  let tx: TxQueue;

  const connect = () => {
    fake.memoryBars.set(2, { fd: peer.fd, size: PEER_BYTES });
    fake.send(peerFeatures(PEER_FEATURES));
    fake.send(placedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n }]));
    fake.send(remoteQueues([peer.ring(0), peer.ring(1), DISABLED, DISABLED]));
    fake.setLink(true);
  };

  beforeEach(() => {
    peer = new RemotePeer();
    fake = new FakeVhostPci({ features: PEER_FEATURES | SESSION_FEATURES, queuePairs: 2 });
    port = openVhostPciPort(() => fake, { id: 0, name: 'net_vhost_pci0' });
    port.start();
    connect();
    rx = vhostPciDriver.openRxQueue(structuredClone(port.rxQueueSpec(0)));
    tx = vhostPciDriver.openTxQueue(structuredClone(port.txQueueSpec(0)));
  });
  afterEach(() => {
    vhostPciDriver.abandonQueue?.(port.rxQueueSpec(0));
    vhostPciDriver.abandonQueue?.(port.txQueueSpec(0));
    port.close();
    peer.close();
  });

  it("are written in the peer's receive buffers", () => {
    const { slots } = tx.inPlace as TxInPlace;
    for (let slot = 0; slot < 3; slot++) peer.post(0, 16, null, slot);
    expect(tx.inPlace?.reserve(32)).toBe(3);
    for (let i = 0; i < 2; i++) {
      expect(slots.room[i]).toBe(2048 - 12);
      slots.bytes().fill(i + 1, slots.offset[i], slots.offset[i] + 60);
      slots.length[i] = 60;
    }
    expect(tx.inPlace?.commit(2)).toBe(2);
    expect(peer.usedIdx(0)).toBe(2);
    expect(peer.received(0, 1, 60)).toEqual(new Uint8Array(60).fill(2));
    expect(port.stats()).toMatchObject({ opackets: 2, obytes: 120 });
    expect(tx.inPlace?.reserve(32)).toBe(1);
  });

  it('repeat one packet many times', () => {
    const pool = new Mempool({ count: 8, hugepages: false });
    const frame = pool.vector(1);
    pool.alloc(frame, 1);
    pool.dataLen[frame.ids[0]] = 14;
    pool.bytes.fill(
      3,
      frame.ids[0] * pool.stride + pool.headroom,
      frame.ids[0] * pool.stride + pool.headroom + 14,
    );
    for (let slot = 0; slot < 2; slot++) peer.post(0, 16, null, slot);
    expect(tx.inPlace?.repeat(frame, 13, 32)).toBe(-1);
    expect(tx.inPlace?.repeat(frame, 2037, 32)).toBe(-1);
    expect(tx.inPlace?.repeat(frame, 60, 32)).toBe(2);
    expect(tx.inPlace?.repeat(frame, 60, 32)).toBe(0);
    const sent = new Uint8Array(60);
    sent.fill(3, 0, 14);
    expect(peer.received(0, 1, 60)).toEqual(sent);
    pool.close();
  });

  it('are read in the buffers that the peer sent', () => {
    const { slots } = rx.inPlace as RxInPlace;
    for (let slot = 0; slot < 2; slot++) peer.post(1, 16, frameWithHeader(64 + slot, 7 + slot), slot);
    expect(rx.inPlace?.peek(32)).toBe(2);
    const packet = (i: number) => slots.bytes().slice(slots.offset[i], slots.offset[i] + slots.length[i]);
    expect(packet(0)).toEqual(new Uint8Array(64).fill(7));
    expect(packet(1)).toEqual(new Uint8Array(65).fill(8));
    expect(slots.words()[slots.offset[1] >>> 2]).toBe(0x08080808);
    expect(rx.inPlace?.release(1)).toBe(1);
    expect(peer.usedIdx(1)).toBe(1);
    expect(rx.inPlace?.peek(32)).toBe(1);
  });

  it('show the new memory after the peer comes back', () => {
    peer.post(0, 16, null, 0);
    expect(tx.inPlace?.reserve(1)).toBe(1);
    (tx.inPlace as TxInPlace).slots.bytes();
    tx.inPlace?.commit(0);
    fake.setLink(false);
    fake.send(remoteQueues([DISABLED, DISABLED, DISABLED, DISABLED]));
    fake.send(placedMemory([]));
    peer.close();
    peer = new RemotePeer();
    connect();
    peer.post(0, 16, null, 0);
    expect(tx.inPlace?.reserve(1)).toBe(1);
    const { slots } = tx.inPlace as TxInPlace;
    slots.bytes().fill(9, slots.offset[0], slots.offset[0] + 60);
    slots.length[0] = 60;
    expect(tx.inPlace?.commit(1)).toBe(1);
    expect(peer.received(0, 0, 60)).toEqual(new Uint8Array(60).fill(9));
  });

  it('relay from ring to ring, and report when mbufs are needed', () => {
    const relay = rx.relayTo?.(tx);
    peer.post(1, 16, frameWithHeader(64, 5), 0);
    expect(relay?.burst(32)).toBe(0);
    peer.post(0, 16, null, 0);
    expect(relay?.burst(32)).toBe(1);
    expect(peer.received(0, 0, 64)).toEqual(new Uint8Array(64).fill(5));
    expect(port.stats()).toMatchObject({ ipackets: 1, opackets: 1 });
    peer.post(1, 16, frameWithHeader(3000, 6).subarray(0, 2040), 1);
    peer.post(0, 16, null, 1);
    expect(relay?.burst(32)).toBe(1);
    peer.post(1, 16, new Uint8Array(12), 2);
    peer.post(0, 16, null, 2);
    expect(relay?.burst(32)).toBe(-1);
    const pool = new Mempool({ count: 64, hugepages: false });
    expect(rx.burst(pool.vector(8), 8)).toBe(0);
    expect(port.xstats().get('rx_q0_undersize_errors')).toBe(1);
    expect(relay?.burst(32)).toBe(0);
    pool.close();
  });

  it('relay with other addresses', () => {
    const macs = macWords('0a:0b:0c:0d:0e:0f', '02:00:00:00:00:01');
    const relay = rx.relayTo?.(tx, macs);
    macs.fill(0);
    const bytes = [...macBytes('0a:0b:0c:0d:0e:0f'), ...macBytes('02:00:00:00:00:01')];
    for (const [slot, length] of [64, 14].entries()) {
      peer.post(1, 16, frameWithHeader(length, 5), slot);
      peer.post(0, 16, null, slot);
      expect(relay?.burst(32)).toBe(1);
      expect([...peer.received(0, slot, length)]).toEqual([...bytes, ...new Array(length - 12).fill(5)]);
    }
    expect(port.stats()).toMatchObject({ ipackets: 2, opackets: 2 });
  });

  it("do not relay to a port that does not map a peer's memory", () => {
    expect(rx.relayTo?.({ burst: () => 0 })).toBeNull();
  });
});
