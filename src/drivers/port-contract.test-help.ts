// SPDX-License-Identifier: BSD-3-Clause
// One port of each driver, with what the contract's tests need around it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import {
  FakeVhostPci,
  PEER_FEATURES,
  peerFeatures,
  placedMemory,
  remoteQueues,
  SESSION_FEATURES,
} from '../../test/support/fake-vhost-pci.ts';
import { interfaceName, tapMissing } from '../../test/support/netns.ts';
import { frameWithHeader, PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { FramePort, frameOf } from '../../test/support/section-files.ts';
import { VIRTIO_F_VERSION_1 } from '../abi/virtio-ring.ts';
import { PAGE } from '../alignment.ts';
import type { DeviceEvents } from '../engines/device.ts';
import { type MbufVector, Mempool } from '../ethdev/mempool.ts';
import type { Port, PortConfig } from '../ethdev/port.ts';
import { SectionDevice } from '../sections/device.ts';
import { FakeSectionCarrier, FakeWire } from '../sections/fake-carrier.test-help.ts';
import { features } from '../virtio/features.ts';
import { writeCapture } from './pcap/pcap.test-help.ts';
import { ports, probePort } from './registry.ts';
import { openTxQueue } from './table.ts';
import { openVhostPciPort } from './vhost-pci/driver.ts';
import { VhostPciPort } from './vhost-pci/port.ts';

export const QUEUES = 2;
export const FRAME = 64;
export const BURST = 32;

export interface Bench {
  readonly port: Port;
  /** Makes a packet arrive on some queue; absent if packets arrive by themselves. */
  arrive?(): void;
  /** Lets both ends see each other's state; absent if the link needs no other end. */
  settle?(): void;
  /** Makes room for packets on TX queue `queue`; absent if there is always room. */
  makeRoom?(queue: number, packets: number): void;
  /** Makes the link come up or go down; absent if the driver has no events. */
  setLink?(up: boolean): void;
  /** Length of a frame that the peer can never accept; absent if there is none. */
  readonly tooLong?: number;
  close(): void;
}

/** Driver, how to open its port, and why it cannot be tested here. */
export const benches: readonly [string, () => Bench, string | false][] = [
  ['net_vhost_pci', vhostPciBench, false],
  ['net_ivshmem', ivshmemBench, false],
  ['net_null', nullBench, false],
  ['net_tap', tapBench, tapMissing()],
  ['net_pcap', pcapBench, false],
];

function nullBench(): Bench {
  const port = probePort(`net_null0,size=${FRAME}`);
  return { port, close: () => port.close() };
}

/** Two files that are read over and over, and two that are written. */
function pcapBench(): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'vpci-pcap-'));
  const file = (name: string) => join(folder, name);
  for (const name of ['r0', 'r1']) writeCapture(file(name), [frameOf(FRAME, 1), frameOf(FRAME, 2)]);
  const port = probePort(
    `net_pcap0,rx_pcap=${file('r0')},rx_pcap=${file('r1')},tx_pcap=${file('t0')},tx_pcap=${file('t1')},infinite_rx=1`,
  );
  return {
    port,
    close: () => {
      port.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function tapBench(): Bench {
  const name = interfaceName();
  const port = probePort(`net_tap0,iface=${name},mac=02:00:00:00:00:09`);
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const arrive = () => {
    // A static neighbour, so that the datagram leaves at once. Reconfiguration creates a new interface.
    ip('address', 'replace', '198.18.7.1/24', 'dev', name);
    ip('neighbour', 'replace', '198.18.7.2', 'lladdr', '02:00:00:00:00:0a', 'dev', name);
    execFileSync('bash', ['-c', 'echo x > /dev/udp/198.18.7.2/9']);
  };
  return { port, arrive, close: () => port.close() };
}

function vhostPciBench(): Bench {
  const RING = 16;
  const peer = new RemotePeer();
  const fake = new FakeVhostPci({ features: PEER_FEATURES | SESSION_FEATURES, queuePairs: QUEUES });
  const port = openVhostPciPort(() => fake, { id: 0, name: 'net_vhost_pci0', report: () => {} });
  fake.memoryBars.set(2, { fd: peer.fd, size: PEER_BYTES });
  fake.send(peerFeatures(features(VIRTIO_F_VERSION_1)));
  fake.send(placedMemory([{ gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n }]));
  fake.send(remoteQueues(Array.from({ length: 2 * QUEUES }, (_, ring) => peer.ring(ring, RING))));
  fake.setLink(true);
  const posted = new Map<number, number>();
  const post = (ring: number, data: Uint8Array | null) => {
    const slot = posted.get(ring) ?? 0;
    posted.set(ring, slot + 1);
    peer.post(ring, RING, data, slot);
  };
  return {
    port,
    arrive: () => post(1, frameWithHeader(FRAME, 2)),
    makeRoom: (queue, packets) => {
      for (let i = 0; i < packets; i++) post(2 * queue, null);
    },
    setLink: (up) => fake.setLink(up),
    tooLong: 4000,
    close: () => {
      port.close();
      peer.close();
    },
  };
}

/** Both ends in this process, over two small files. */
function ivshmemBench(): Bench {
  const wire = new FakeWire(2 * PAGE + 2 * 0x8000);
  const devices: SectionDevice[] = [];
  const options = { queuePairs: QUEUES, minimum: false, mac: new Uint8Array(6) };
  const openEnd = (end: 0 | 1) => {
    const open = (events: DeviceEvents) => {
      const device = new SectionDevice(new FakeSectionCarrier(wire, end), events, options);
      devices.push(device);
      return device;
    };
    return new VhostPciPort(open, { id: end, name: `net_ivshmem${end}`, driver: 'net_ivshmem' });
  };
  const port = openEnd(0);
  const peer = new FramePort(openEnd(1), QUEUES);
  const settle = () => {
    for (let turn = 0; turn < 8; turn++) for (const device of devices) device.poll();
  };
  return {
    port,
    settle,
    arrive: () => {
      settle();
      for (let queue = 0; queue < QUEUES; queue++) peer.receive(queue);
      expect(peer.send([frameOf(FRAME, 1)])).toBe(1);
    },
    tooLong: 8000,
    close: () => {
      port.close();
      peer.close();
      wire.close();
    },
  };
}

/** A running port of QUEUES queue pairs and a pool, renewed for each test of the calling block. */
export class Stand {
  bench!: Bench;
  port!: Port;
  pool!: Mempool;
  pkts!: MbufVector;

  constructor(open: () => Bench) {
    beforeEach(() => {
      this.bench = open();
      this.port = this.bench.port;
      this.pool = new Mempool({ count: 256, dataRoom: 8192, hugepages: false });
      this.pkts = this.pool.vector(BURST);
      this.run({ rxQueues: QUEUES, txQueues: QUEUES });
    });
    afterEach(() => {
      this.bench.close();
      this.pool.close();
      for (const left of ports()) left.close();
    });
  }

  run(config: PortConfig): void {
    this.port.stop();
    this.port.configure(config);
    this.port.start();
    this.bench.settle?.();
  }

  /** Allocates packets of these lengths into `pkts`. */
  make(lengths: readonly number[]): void {
    const { pool, pkts } = this;
    expect(pool.alloc(pkts, lengths.length)).toBe(lengths.length);
    lengths.forEach((length, i) => {
      pool.dataLen[pkts.ids[i]] = length;
      pool.pktLen[pkts.ids[i]] = length;
    });
  }

  /** Sends a packet of each length on a queue and frees the rest; returns the number accepted. */
  send(queue: number, lengths: readonly number[]): number {
    this.make(lengths);
    const taken = openTxQueue(this.port.txQueueSpec(queue)).burst(this.pkts, 0, lengths.length);
    this.pool.free(this.pkts, taken, lengths.length);
    return taken;
  }
}
