// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  DISABLED,
  FakeVhostPci,
  message,
  NONSENSE,
  PEER_FEATURES,
  peerFeatures,
  placedMemory,
  remoteQueues,
  SESSION_FEATURES,
} from '../../../test/support/fake-vhost-pci.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../../test/support/remote-peer.ts';
import {
  VHOST_PCI_CTRL_SESSION,
  VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE,
  VHOST_PCI_CTRL_SESSION_PEER_MTU,
} from '../../abi/vhost-pci.ts';
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
} from '../../abi/virtio-net.ts';
import { VIRTIO_F_VERSION_1 } from '../../abi/virtio-ring.ts';
import type { PciDevice } from '../../bus/pci-device.ts';
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, Mempool } from '../../ethdev/mempool.ts';
import { ALL_OFFLOADS } from '../../ethdev/offloads.ts';
import { native } from '../../native.ts';
import { features, hasFeature } from '../../virtio/features.ts';
import { parseVhostPciDevargs } from './devargs.ts';
import { openVhostPciPort, type VhostPciOptions, vhostPciDriver } from './driver.ts';
import type { VhostPciPort } from './port.ts';

describe('net_vhost_pci', () => {
  let fake: FakeVhostPci;
  let port: VhostPciPort;
  let peer: RemotePeer;
  let lines: string[];

  const GUEST_OFFLOADS = [
    VIRTIO_NET_F_GUEST_CSUM,
    VIRTIO_NET_F_GUEST_TSO4,
    VIRTIO_NET_F_GUEST_TSO6,
    VIRTIO_NET_F_GUEST_ECN,
    VIRTIO_NET_F_GUEST_USO4,
    VIRTIO_NET_F_GUEST_USO6,
  ];
  /** The two checksum features come first. */
  const OFFLOAD_BITS = [
    VIRTIO_NET_F_CSUM,
    ...GUEST_OFFLOADS,
    VIRTIO_NET_F_HOST_TSO4,
    VIRTIO_NET_F_HOST_TSO6,
    VIRTIO_NET_F_HOST_ECN,
    VIRTIO_NET_F_HOST_USO,
  ];
  const open = (
    options: Partial<VhostPciOptions> = {},
    queuePairs = 2,
    change: Partial<PciDevice> = {},
    offered = PEER_FEATURES | SESSION_FEATURES,
  ) => {
    fake = Object.assign(new FakeVhostPci({ features: offered, queuePairs }), change);
    lines = [];
    const given = { id: 3, name: 'net_vhost_pci0', report: (line: string) => lines.push(line), ...options };
    port = openVhostPciPort(() => fake, given);
  };
  const connect = (negotiated = PEER_FEATURES) => {
    fake.memoryBars.set(2, { fd: peer.fd, size: PEER_BYTES });
    fake.send(peerFeatures(negotiated));
    fake.send(placedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n }]));
    fake.send(remoteQueues([peer.ring(0), peer.ring(1, 8), DISABLED, DISABLED]));
    fake.setLink(true);
  };

  beforeEach(() => {
    peer = new RemotePeer();
  });
  afterEach(() => {
    port.close();
    peer.close();
  });

  it('opens without a peer, and gets a link when one connects', () => {
    open();
    const events: string[] = [];
    port.on('link', () => events.push(port.link().up ? 'up' : 'down'));
    port.start();
    expect(port.link()).toEqual({ up: false, speed: 0, reason: 'waiting for the device' });
    expect(port.info.details['No link']).toBe('waiting for the device');
    expect(port.descriptors('rx', 0)).toBe(0);
    connect();
    expect(port.link()).toEqual({ up: true, speed: 10_000 });
    expect([port.descriptors('rx', 0), port.descriptors('tx', 0), port.descriptors('rx', 1)]).toEqual([
      8, 16, 0,
    ]);
    fake.setLink(false);
    expect(events).toEqual(['up', 'down']);
  });

  it("has the MTU of its peer's network", () => {
    open();
    port.start();
    expect(port.info.mtu).toBe(1500);
    connect();
    fake.send(
      message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_PEER_MTU, Uint8Array.of(0x28, 0x23, 0, 0)),
    );
    expect(port.info.mtu).toBe(9000);
    fake.send(
      message(VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_PEER_MTU, Uint8Array.of(0xff, 0xff, 0, 0)),
    );
    expect(port.info.mtu).toBe(port.info.maxMtu);
    fake.setLink(false);
    fake.send(placedMemory([]));
    expect(port.info.mtu).toBe(1500);
  });

  it('receives a RARP broadcast for an address that moved to its peer, and counts it', () => {
    open();
    const pool = new Mempool({ count: 8 });
    const vector = pool.vector(4);
    port.start();
    const announce = () =>
      fake.send(
        message(
          VHOST_PCI_CTRL_SESSION,
          VHOST_PCI_CTRL_SESSION_PEER_ANNOUNCE,
          Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0),
        ),
      );
    connect();
    const rx = vhostPciDriver.openRxQueue(structuredClone(port.rxQueueSpec(0)));
    expect(rx.burst(vector, 4)).toBe(0);
    announce();
    announce();
    expect(rx.burst(vector, 4)).toBe(1);
    const at = (vector.ids[0] as number) * pool.stride + (pool.dataOff[vector.ids[0] as number] as number);
    expect([...pool.bytes.subarray(at, at + 14)]).toEqual([
      ...[255, 255, 255, 255, 255, 255],
      ...[0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x80, 0x35],
    ]);
    expect(port.xstats().get('rx_q0_rarp_packets')).toBe(1);
    expect(port.stats()).toMatchObject({ ipackets: 1, ibytes: 60 });
    // Pending announcements of a peer that is gone are dropped.
    announce();
    fake.setLink(false);
    fake.send(placedMemory([]));
    connect();
    expect(rx.burst(vector, 4)).toBe(0);
    pool.close();
  });

  it('has RX queues on which a thread can sleep, and counts sleeps', () => {
    open();
    port.start();
    connect();
    expect(port.info.rxInterrupts).toBe(true);
    const { interrupt } = vhostPciDriver.openRxQueue(structuredClone(port.rxQueueSpec(0)));
    expect(interrupt?.fd).toBe(fake.interruptFds.get(2));
    expect(interrupt?.arm()).toBe(true);
    peer.post(1, 8, frameWithHeader(64, 0), 0);
    expect(interrupt?.arm()).toBe(false);
    interrupt?.counters.set([3, 2]);
    const counts = () => ['sleeps', 'interrupts'].map((name) => port.xstats().get(`rx_q0_${name}`));
    expect(counts()).toEqual([3, 2]);
    port.clearStats();
    expect(counts()).toEqual([0, 0]);
  });

  it('has no RX interrupts on a bus without them', () => {
    open({}, 2, { interrupts: 'polled', interruptFd: () => -1 });
    expect(port.info.rxInterrupts).toBe(false);
    expect(vhostPciDriver.openRxQueue(structuredClone(port.rxQueueSpec(0))).interrupt).toBeUndefined();
    expect(port.xstats().get('rx_q0_sleeps')).toBe(0);
  });

  it('accepts the offloads that its current peer accepts', () => {
    open();
    const events: number[] = [];
    port.on('link', () => events.push(port.txOffloads));
    port.start();
    const offered = [[], GUEST_OFFLOADS, [VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4]];
    for (const bits of offered) {
      connect(features(...bits) | PEER_FEATURES);
      fake.setLink(false);
    }
    expect(events).toEqual([0, 0, ALL_OFFLOADS, 0, MBUF_F_NEEDS_CSUM | MBUF_F_TSO4, 0]);
  });

  it.each([
    ['', true, true],
    [',tso=0', true, false],
    [',csum=0', false, false],
    [',csum=0,tso=1', false, false],
  ])('accepts the offload features that %j leaves', (devargs, csum, tso) => {
    const values = new Map(
      devargs.split(',').flatMap((pair) => (pair ? [pair.split('=') as [string, string]] : [])),
    );
    values.set('path', '/x');
    open(
      { features: parseVhostPciDevargs('net_vhost_pci0', values).features },
      2,
      {},
      features(...OFFLOAD_BITS) | PEER_FEATURES | SESSION_FEATURES,
    );
    const accepted = OFFLOAD_BITS.map((bit) => hasFeature(fake.driverFeatures, bit));
    expect(accepted).toEqual([csum, csum, ...new Array(9).fill(tso)]);
  });

  it('receives, sends and counts through queues opened from plain data', () => {
    open();
    port.start();
    connect();
    const spec = structuredClone(port.rxQueueSpec(0));
    expect(spec).toMatchObject({ driver: 'net_vhost_pci', role: 'rx', port: 3, queue: 0 });
    const rx = vhostPciDriver.openRxQueue(spec);
    const tx = vhostPciDriver.openTxQueue(structuredClone(port.txQueueSpec(0)));
    const pool = new Mempool({ count: 64, hugepages: false });
    const pkts = pool.vector(32);
    for (let slot = 0; slot < 2; slot++) {
      peer.post(1, 8, frameWithHeader(64, slot), slot);
      peer.post(0, 16, null, slot);
    }
    expect(rx.burst(pkts, 32)).toBe(2);
    expect(tx.burst(pkts, 0, 2)).toBe(2);
    expect(peer.received(0, 1, 64)).toEqual(new Uint8Array(64).fill(1));
    expect(port.stats()).toMatchObject({ ipackets: 2, opackets: 2, ibytes: 128, obytes: 128, ierrors: 0 });
    expect(port.xstats().get('rx_q0_good_packets')).toBe(2);
    port.clearStats();
    expect(port.stats()).toMatchObject({ ipackets: 0, opackets: 0 });
    expect(port.xstats().get('tx_q0_good_bytes')).toBe(0);
    peer.post(1, 8, frameWithHeader(64, 2), 2);
    pool.free(pkts, 0, rx.burst(pkts, 32));
    expect(port.stats().ipackets).toBe(1);
    port.close();
    expect(port.stats().ipackets).toBe(1);
    pool.close();
  });

  it('receives nothing and loses nothing while it is stopped', () => {
    open();
    port.start();
    connect();
    const rx = vhostPciDriver.openRxQueue(port.rxQueueSpec(0));
    const pool = new Mempool({ count: 64, hugepages: false });
    const pkts = pool.vector(32);
    port.stop();
    peer.post(1, 8, frameWithHeader(64, 0), 0);
    expect(rx.burst(pkts, 32)).toBe(0);
    port.start();
    expect(rx.burst(pkts, 32)).toBe(1);
    pool.close();
  });

  it('describes the device in its details', () => {
    open({ mac: '02:00:00:00:00:01', devargs: 'path=/x' });
    port.start();
    connect();
    expect(port.info).toMatchObject({
      driver: 'net_vhost_pci',
      maxRxQueues: 2,
      mac: '02:00:00:00:00:01',
      devargs: 'path=/x',
    });
    expect(port.info.details).toMatchObject({
      'Device features': 'MRG_RXBUF VERSION_1 SESSION REMAP',
      'Peer features': 'MRG_RXBUF VERSION_1',
      'Remote memory (bytes)': PEER_BYTES,
      'RX engine 0': 'running, 8 descriptors',
      'TX engine 1': 'stopped, 0 descriptors',
    });
  });

  it('reports how fast the memory reads', () => {
    open();
    port.start();
    expect(port.info.details['Remote memory type']).toBe('none');
    connect();
    expect(port.info.details['Remote memory type']).toMatch(/^write-back, \d+\.\d ns to read a line$/);
    expect(port.xstats().get('remote_memory_uncached')).toBe(0);
    expect(port.info.details).toMatchObject({ Interrupts: 'eventfd' });
  });

  it('accepts an alternate mapping of the same memory, and refuses one of other memory', () => {
    const path = `/proc/self/fd/${peer.fd}`;
    open({ alternateMapping: { path, offset: 0 } });
    port.start();
    peer.bytes.fill(7, PEER_BYTES / 2);
    connect();
    expect(port.info.details['Remote memory type']).toMatch(new RegExp(`^write-back, .* through ${path}@0$`));
    expect(port.descriptors('rx', 0)).toBe(8);
    port.close();
    const other = native.memfdCreate('other', PEER_BYTES, false);
    open({ alternateMapping: { path: `/proc/self/fd/${other}`, offset: 0 } });
    port.start();
    connect();
    expect(lines[0]).toMatch(/it is not the memory behind BAR 2: \d+ of 256 places differ$/);
    expect(port.info.details).toMatchObject({
      'Remote memory (bytes)': 0,
      'RX engine 0': 'stopped, 8 descriptors',
    });
    native.close(other);
  });

  it('reports the notes of the bus', () => {
    open();
    const other = Object.assign(new FakeVhostPci({ features: features(VIRTIO_F_VERSION_1) }), {
      notes: ['poll mode only'],
    });
    const reported: string[] = [];
    openVhostPciPort(() => other, { id: 1, name: 'p', report: (line) => reported.push(line) }).close();
    expect(reported).toEqual(['poll mode only']);
  });

  it('has its own locally administered address', () => {
    open();
    expect(port.info.mac).toBe('02:76:70:63:69:03');
  });

  it('names both numbers if there are too few queues', () => {
    open();
    expect(() => port.configure({ rxQueues: 3, txQueues: 1 })).toThrow(
      expect.objectContaining({
        code: 'VPCI_QUEUE_COUNT',
        message: 'net_vhost_pci0: 3 queues were requested, but the device has 2 queue pairs',
      }),
    );
    const other = new FakeVhostPci({ features: features(VIRTIO_F_VERSION_1) });
    expect(() => openVhostPciPort(() => other, { id: 0, name: 'p', queues: 2 })).toThrow(
      /2 queues .* has 1 queue/,
    );
    expect(other.closed).toBe(true);
    port.configure({ rxQueues: 1, txQueues: 1 });
    expect(() => port.rxQueueSpec(1)).toThrow(expect.objectContaining({ code: 'VPCI_QUEUE_COUNT' }));
  });

  it('must be configured before it is started', () => {
    open();
    port.start();
    expect(() => port.configure({ rxQueues: 1, txQueues: 1 })).toThrow(/must be stopped first/);
  });

  it('fails cleanly once the device is gone', () => {
    open();
    let removed = 0;
    port.on('removed', () => removed++);
    port.start();
    connect();
    const rx = vhostPciDriver.openRxQueue(port.rxQueueSpec(0));
    fake.remove('the connection was closed');
    expect([removed, port.link().up]).toEqual([1, false]);
    const pool = new Mempool({ count: 64, hugepages: false });
    expect(rx.burst(pool.vector(4), 4)).toBe(0);
    expect(port.stats().ipackets).toBe(0);
    port.stop();
    expect(() => port.start()).toThrow(/its device is removed/);
    pool.close();
  });

  it('counts invalid messages from the device and limits how many it prints', () => {
    open();
    for (let count = 0; count < 100; count++) fake.send(NONSENSE);
    expect(port.xstats().get('ctrl_invalid_messages')).toBe(100);
    expect(lines).toHaveLength(33);
    expect(lines.at(-1)).toMatch(/counted in xstats/);
  });
});
