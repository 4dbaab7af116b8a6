// SPDX-License-Identifier: BSD-3-Clause
// What a driver knows about its peer, and the messages that bring it up to date (docs/device-abi.md, "Control
// queue").
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
import { features } from '../../../src/virtio/features.ts';
import { type PackedRegion, packRegions, placeRegions } from '../vhost-user/bar-layout.ts';
import type { MemoryTable } from '../vhost-user/memory-table.ts';
import type { ConnectedPeer, PeerRing } from '../vhost-user/peer.ts';
import {
  packedMemoryMessage,
  peerAnnounceMessage,
  peerFeaturesMessage,
  peerMtuMessage,
  placedMemoryMessage,
  type QueueRecord,
  queuesMessage,
} from './control-encode.ts';
import { crossed, type DriverPort } from './driver-port.ts';

/** What a driver with SESSION knows. */
interface Known {
  readonly peer: ConnectedPeer;
  readonly memory: MemoryTable;
  features: bigint;
  mtu: number;
  records: readonly QueueRecord[];
}

const STOPPED: QueueRecord = {
  last_avail_idx: 0,
  serial: 0,
  vring_enable: 0,
  vring_num: 0,
  desc_gpa: 0n,
  avail_gpa: 0n,
  used_gpa: 0n,
};

export class Updates {
  readonly #driver: DriverPort;
  #known: Known | null = null;
  /** Memory and queues sent to a driver without SESSION, which receives them only once. */
  #once: { readonly memory: string; readonly queues: string } | null = null;
  #lastSerial = 0;

  constructor(driver: DriverPort) {
    this.#driver = driver;
  }

  /** The driver knows a peer. */
  get sent(): boolean {
    return this.#known !== null || this.#once !== null;
  }

  /** The driver is gone. */
  forget(): void {
    this.#known = null;
    this.#once = null;
  }

  /** False when a driver without SESSION was sent different memory or queues. */
  stillHolds(peer: ConnectedPeer, packed: readonly PackedRegion[]): boolean {
    if (!this.#once || !peer.ready) return true;
    return this.#once.memory === fingerprint(packed) && this.#once.queues === fingerprint(ringsOf(peer));
  }

  /**
   * Messages with everything that a driver with SESSION does not know yet, which counts as known from now on.
   */
  next(peer: ConnectedPeer | null): Uint8Array[] {
    const out = this.#known?.peer === peer ? [] : this.#farewell();
    if (!peer || (!this.#known && !peer.ready)) return out;
    let known = this.#known;
    if (known?.memory !== peer.memory) {
      out.push(...withdrawn(known), peerFeaturesMessage(negotiated(peer)));
      out.push(placedMemoryMessage(placeRegions(peer.memory.regions, peer.bars)));
      const { memory, features, rings } = peer;
      known = { peer, memory, features, mtu: known?.mtu ?? 0, records: rings.map(() => STOPPED) };
      this.#known = known;
    } else if (known.features !== peer.features) {
      known.features = peer.features;
      out.push(peerFeaturesMessage(negotiated(peer)));
    }
    if (known.mtu !== peer.networkMtu) {
      known.mtu = peer.networkMtu;
      out.push(peerMtuMessage(known.mtu));
    }
    const records = peer.rings.map((ring) => this.#record(peer, ring));
    out.push(...newRecords(known, records));
    if (peer.announce) out.push(peerAnnounceMessage(peer.announce));
    peer.announce = null;
    return out;
  }

  /** Messages for a driver without SESSION: memory and queues, once, when both sides are ready (RFC 2.0). */
  initial(peer: ConnectedPeer | null): Uint8Array[] {
    if (!peer?.ready) return [];
    const packed = packRegions(peer.memory.regions);
    if (typeof packed === 'string') return [];
    const records = peer.rings.map((ring) => ({ ...this.#record(peer, ring), vring_num: ring.index }));
    if (this.#once) return [];
    this.#once = { memory: fingerprint(packed), queues: fingerprint(ringsOf(peer)) };
    return [packedMemoryMessage(packed), queuesMessage(records)];
  }

  /** The peer that the driver knows is gone: withdraws the queues first, then the memory under them. */
  #farewell(): Uint8Array[] {
    if (!this.#known) return [];
    this.#driver.setLink(false);
    for (const ring of this.#known.peer.rings) ring.assigned = false;
    const out = [...withdrawn(this.#known), placedMemoryMessage([])];
    this.#known = null;
    return out;
  }

  /** The record of a ring; assigns the ring to the driver if it can run. */
  #record(peer: ConnectedPeer, ring: PeerRing): QueueRecord {
    if (!ring.guest || !peer.isActive(ring)) return STOPPED;
    if (!ring.assigned) {
      ring.assignedIndex = peer.nextIndex(ring);
      ring.assigned = true;
      ring.serial = this.#lastSerial = (this.#lastSerial % 0xffff) + 1;
      ring.served = true;
      ring.next = null;
      this.#driver.gates?.open(crossed(ring.index), ring.serial);
    }
    return {
      last_avail_idx: ring.assignedIndex,
      serial: ring.serial,
      vring_enable: 1,
      vring_num: ring.num,
      desc_gpa: ring.guest.desc,
      avail_gpa: ring.guest.avail,
      used_gpa: ring.guest.used,
    };
  }
}

/** REMOTE_QUEUES, unless the driver already knows these records. */
function newRecords(known: Known, records: readonly QueueRecord[]): Uint8Array[] {
  if (fingerprint(known.records) === fingerprint(records)) return [];
  known.records = records;
  return [queuesMessage(records)];
}

function withdrawn(known: Known | null): Uint8Array[] {
  const records = known?.records.map(() => STOPPED) ?? [];
  return known ? newRecords(known, records) : [];
}

/**
 * The features negotiated by the peer's driver; the protocol bit only concerns its front-end and this
 * back-end.
 */
const negotiated = (peer: ConnectedPeer) => peer.features & ~features(VHOST_USER_F_PROTOCOL_FEATURES);

const ringsOf = (peer: ConnectedPeer) => peer.rings.map(({ num, guest }) => ({ num, ...guest }));

function fingerprint(value: unknown): string {
  return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? field.toString(16) : field));
}
