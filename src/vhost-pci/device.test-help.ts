// SPDX-License-Identifier: BSD-3-Clause
// A driver on a scripted vhost-pci function with a peer's memory: a new one for each test, which leaves no
// descriptor open.
import { afterEach, beforeEach, expect } from 'vitest';
import {
  type FakeOptions,
  FakeVhostPci,
  NET_FEATURES,
  PEER_FEATURES,
  peerFeatures,
  placedMemory,
  type RingRecord,
  remoteQueues,
  SESSION_FEATURES,
} from '../../test/support/fake-vhost-pci.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { PEER_BYTES, PEER_GPA, RemotePeer } from '../../test/support/remote-peer.ts';
import { native, type PoolHandle, type VectorHandle } from '../native.ts';
import { VhostPciDevice } from './device.ts';

/** Records of the one queue pair. */
export const TX_RING = 0;
export const RX_RING = 1;

export const NO_EVENTS = {
  onLink: () => {},
  onLinkReason: () => {},
  onRemoved: () => {},
  report: () => {},
};

class Rig {
  readonly region = { gpa: PEER_GPA, size: BigInt(PEER_BYTES), offset: 0n };
  fake!: FakeVhostPci;
  device!: VhostPciDevice;
  peer!: RemotePeer;
  pool!: PoolHandle;
  vector!: VectorHandle;
  reports: string[] = [];
  links: boolean[] = [];
  /** The reported link events, as text. */
  why: string[] = [];
  removals = 0;
  /** The application's handler for link changes. */
  onLink: () => void = () => {};
  #fdsBefore = 0;

  begin(): void {
    this.#fdsBefore = openFds();
    this.peer = new RemotePeer();
    this.pool = native.poolCreate({ count: 64, dataRoom: 2048, headroom: 128, hugepages: false });
    this.vector = native.vectorCreate(this.pool, 32);
  }

  end(): void {
    this.device.close();
    this.device.close();
    expect(this.fake.closed).toBe(true);
    native.poolDestroy(this.pool);
    this.peer.close();
    expect(openFds()).toBe(this.#fdsBefore);
  }

  open(options: Partial<FakeOptions> = {}): void {
    this.fake = new FakeVhostPci({ features: NET_FEATURES | SESSION_FEATURES, ...options });
    this.reports = [];
    this.links = [];
    this.why = [];
    this.removals = 0;
    this.onLink = () => {};
    this.device = new VhostPciDevice(this.fake, {
      onLink: () => {
        this.links.push(this.device.linkUp);
        this.onLink();
      },
      onLinkReason: () => this.why.push(this.device.linkReason),
      onRemoved: () => this.removals++,
      report: (line) => {
        // Read speed on a busy machine does not matter to these tests.
        if (!line.includes('mapped uncached')) this.reports.push(line);
      },
    });
    this.device.startPort({ rx: this.device.queuePairs, tx: this.device.queuePairs });
  }

  offerMemory(from: RemotePeer): void {
    this.fake.memoryBars.set(2, { fd: from.fd, size: PEER_BYTES });
  }

  rings(): RingRecord[] {
    return [this.peer.ring(TX_RING), this.peer.ring(RX_RING)];
  }

  /** Step 1 of SESSION in docs/device-abi.md. */
  connect(records = this.rings(), negotiated = PEER_FEATURES): void {
    this.offerMemory(this.peer);
    this.fake.send(peerFeatures(negotiated));
    this.fake.send(placedMemory([this.region]));
    this.fake.send(remoteQueues(records));
    this.fake.setLink(true);
  }

  /** Number of rings of a local queue's doorbell since the last call. */
  rung(queue: number): bigint {
    return native.eventfdDrain(this.fake.doorbells.get(queue) ?? -1);
  }

  state(role: 'rx' | 'tx', pair = 0): string {
    return this.device.engine(role, pair).state;
  }

  /** Receives a burst on RX queue 0 and drops it; returns the number of packets. */
  receive(): number {
    const count = native.rxBurst(this.device.engine('rx', 0).queue, this.vector, 32);
    native.poolFree(this.vector, 0, count);
    return count;
  }
}

/** A new rig for each test of the enclosing suite. */
export function useRig(): Rig {
  const rig = new Rig();
  beforeEach(() => rig.begin());
  afterEach(() => rig.end());
  return rig;
}
