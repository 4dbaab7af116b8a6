// SPDX-License-Identifier: BSD-3-Clause
// The join of one driver and one peer: what the driver must be told, and when (docs/device-abi.md, "SESSION").
//
// `sync` compares what the driver knows with what the peer is now, and sends the difference. A ring that a driver works is only
// ever taken away through `stopRings`, which waits until the driver has let go: it closes the ring's gate and sees the driver's burst
// leave (GATE), or asks for it and waits for the answer. So when sync runs, the driver has already let go of whatever changed.
import {
  VHOST_PCI_F_LINK_REASON,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
  VHOST_PCI_REFERENCE_VRING_SIZE,
} from '../../../src/abi/vhost-pci.ts';
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
import { DISCONNECTED } from '../../socket/framed-socket.ts';
import { faultReason } from '../../socket/guard.ts';
import type { Log } from '../log.ts';
import { SPEAKS_VFIO_USER } from '../socket/wrong-socket.ts';
import { type FileIdentity, packRegions, placeRegions } from '../vhost-user/bar-layout.ts';
import type { MemoryTable } from '../vhost-user/memory-table.ts';
import type { ConnectedPeer, PeerRing } from '../vhost-user/peer.ts';
import { PACKED } from '../vhost-user/ring-format.ts';
import {
  linkReasonMessage,
  packedMemoryMessage,
  peerAnnounceMessage,
  peerFeaturesMessage,
  peerMtuMessage,
  placedMemoryMessage,
  type QueueRecord,
  queuesMessage,
} from './control-encode.ts';
import type { DriverGates } from './driver-gates.ts';
import { type PositionWords, whereItStopped } from './driver-positions.ts';
import { fault, LinkReason, passing, type Reason, state, whyNotReady } from './link-reason.ts';
import { QueueStops, STOP_TIMEOUT_MS } from './queue-stops.ts';

/** The driver's side, as far as the session needs it. */
export interface DriverPort {
  /** DRIVER_OK, with a working control queue. */
  readonly ready: boolean;
  readonly features: bigint;
  send(message: Uint8Array): void;
  /** All that was sent has been delivered. */
  readonly drained: boolean;
  setLink(up: boolean): void;
  /** The driver broke the contract: DEVICE_NEEDS_RESET. */
  fail(reason: string): void;
  /** Ends its connection. */
  disconnect(reason: string): void;
  showsToClient(files: ReadonlyMap<number, FileIdentity>): boolean;
  /** What its memory says of where it stands in this ring of the peer; null when it cannot be read. */
  positionIn(ring: PeerRing): PositionWords | null;
  /** Its gate words; null for a driver without GATE, or one that has left. */
  readonly gates: DriverGates | null;
}

interface Told {
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

export class DeviceSession {
  readonly #driver: DriverPort;
  readonly #log: Log;
  readonly #stops: QueueStops;
  #peer: ConnectedPeer | null = null;
  #told: Told | null = null;
  /** A driver without SESSION is told once; after that only the link changes. */
  #toldOnce: { memory: string; queues: string } | null = null;
  #lastSerial = 0;
  readonly #reason: LinkReason;
  /** The reason that the driver was sent last. */
  #toldReason = '';
  /** What went wrong with a peer since the last one was ready. */
  #fault = '';
  /** Why the last peer left. */
  #left = '';

  constructor(driver: DriverPort, log: Log) {
    this.#driver = driver;
    this.#log = log;
    this.#stops = new QueueStops({
      send: (message) => driver.send(message),
      fail: (reason) => driver.fail(reason),
      disconnect: (reason) => driver.disconnect(reason),
      misplaced: (index, place) => this.#misplaced(index, place),
    });
    const publish = (text: string) => {
      this.#log.event(`no link: ${text}`);
      this.#tellReason();
    };
    this.#reason = new LinkReason(publish, (error) => this.#driver.disconnect(faultReason(error)));
  }

  close(): void {
    this.#reason.forget();
  }

  /** `left` says why the one before has gone. */
  setPeer(peer: ConnectedPeer | null, left = ''): void {
    for (const ring of this.#peer?.rings ?? []) this.#driver.gates?.close(crossed(ring.index));
    this.#peer = peer;
    // A driver at the peer's socket was no peer.
    const stray = left.startsWith(SPEAKS_VFIO_USER);
    this.#left = stray ? '' : left;
    if (left !== '' && left !== DISCONNECTED && !stray) this.#fault = `the last peer left: ${left}`;
    this.#stops.abandon();
    this.sync();
  }

  /** A message of the peer was refused, which it may never say to anybody. */
  peerRefused(reason: string): void {
    this.#fault = `refused the peer's ${reason}`;
  }

  /** The peer begins anew: what went wrong before may go right now. */
  peerNegotiates(): void {
    this.#fault = '';
  }

  /** The driver is gone or was reset: what it took and did not say comes from the used rings, or from its memory. */
  driverGone(): void {
    this.#driver.gates?.closeAll();
    this.#keepPlaces(this.#peer?.rings ?? []);
    this.#stops.abandon();
    this.#told = null;
    this.#toldOnce = null;
    this.#toldReason = '';
    for (const ring of this.#peer?.rings ?? []) ring.told = false;
  }

  /**
   * Brings the driver up to date, once it has taken what it was sent before: what changes meanwhile is sent in one, so that no peer
   * can bury a driver under messages. Cheap when nothing changed.
   */
  sync(): void {
    if (this.#driver.ready && this.#driver.drained) {
      if (this.#speaks(VHOST_PCI_F_SESSION)) this.#syncSession();
      else this.#syncOnce();
    }
    this.updateLink();
  }

  /** The link comes up once the driver has everything that it needs for it. */
  updateLink(): void {
    const told = this.#told !== null || this.#toldOnce !== null;
    const up = this.#driver.ready && told && this.#driver.drained && this.#usablePeer()?.ready === true;
    this.#driver.setLink(up);
    this.#updateReason(up);
  }

  #updateReason(up: boolean): void {
    const reason = up ? null : this.#whyNoLink();
    if (reason) this.#reason.update(reason);
    else if (up) this.#reason.linkUp();
    else this.#reason.forget();
    if (up) this.#toldReason = this.#fault = '';
    this.#tellReason();
  }

  /** Exactly one cause; null when there is neither a peer nor a driver. */
  #whyNoLink(): Reason | null {
    const [peer, { ready }] = [this.#peer, this.#driver];
    if (!peer && !ready) return null;
    if (!peer?.ready && this.#fault !== '') return fault(this.#fault);
    if (!peer) return state(`no peer is connected${this.#left ? `; the last one left: ${this.#left}` : ''}`);
    if (!peer.ready) return whyNotReady(peer);
    if (!ready) return state('no driver has started the function');
    const misfit = this.#misfit(peer);
    return misfit === '' ? passing('the driver has not taken its messages') : fault(misfit);
  }

  #tellReason(): void {
    const text = this.#reason.published;
    if (text === '' || text === this.#toldReason || !this.#driver.ready || !this.#driver.drained) return;
    if (!this.#speaks(VHOST_PCI_F_LINK_REASON)) return;
    this.#toldReason = text;
    this.#driver.send(linkReasonMessage(text));
  }

  /** Resolves when the driver works none of these rings any more; at most after STOP_TIMEOUT_MS. */
  async stopRings(rings: readonly PeerRing[]): Promise<void> {
    const worked = rings.filter((ring) => ring.told);
    if (this.#driver.gates) return this.#takeBack(rings, this.#driver.gates);
    if (worked.length === 0) return;
    if (!this.#canAsk()) this.#keepPlaces(worked);
    const answers = this.#canAsk()
      ? await Promise.all(worked.map((ring) => this.#stops.ask(ring.index)))
      : [];
    for (const [i, ring] of worked.entries()) {
      ring.told = false;
      ring.next = answers[i] ?? ring.next;
    }
  }

  /**
   * Closes the gates and waits until the bursts have left, also those of a ring that was taken away without waiting. The driver's
   * other threads hear of it with the next records.
   */
  async #takeBack(rings: readonly PeerRing[], gates: DriverGates): Promise<void> {
    const queues = rings.map(({ index }) => crossed(index));
    for (const queue of queues) gates.close(queue);
    const peer = this.#peer;
    const outcome = await gates.left(queues, STOP_TIMEOUT_MS);
    if (this.#peer !== peer) return;
    const worked = rings.filter((ring) => ring.told);
    if (outcome === 'late' && worked.length > 0) {
      const names = worked.map(({ index }) => index).join(', ');
      this.#driver.fail(`the driver did not let go of queue ${names} within ${STOP_TIMEOUT_MS} ms`);
    } else {
      this.#keepPlaces(worked);
    }
    for (const ring of worked) ring.told = false;
  }

  /** A message of the driver. */
  handleMessage(message: DataView): void {
    this.#stops.handle(message);
  }

  /** Reads where the driver stands, as long as its memory is there; of a split ring whether it ever began, its used index tells the rest. */
  #keepPlaces(rings: readonly PeerRing[]): void {
    const peer = this.#peer;
    if (!peer) return;
    if (peer.format !== PACKED) {
      if (!this.#driver.gates) return;
      for (const ring of rings)
        if (ring.told && this.#driver.positionIn(ring)?.serial !== ring.serial) ring.next = ring.toldIndex;
      return;
    }
    for (const ring of rings) {
      if (!ring.served || !ring.guest) continue;
      const words = this.#driver.positionIn(ring);
      if (words?.serial === ring.serial) this.#keepPlace(ring, whereItStopped(words, ring, peer.memory));
      // It never began with the ring as it was told last.
      else if (ring.told) this.#keepPlace(ring, words && ring.toldIndex);
    }
  }

  #keepPlace(ring: PeerRing, place: number | null): void {
    if (place !== null) ring.next = place;
    if (place !== null || ring.lost) return;
    ring.lost = true;
    this.#log.event(`ring ${ring.index} rests until the peer sets it up anew: its driver left no position`);
  }

  #misplaced(index: number, place: number): string | null {
    const ring = this.#peer?.rings[index];
    if (!ring || this.#peer?.format.hasPlace(place, ring.num) !== false) return null;
    return `slot ${place & 0x7fff} of ${ring.num}`;
  }

  #canAsk(): boolean {
    return this.#driver.ready && this.#speaks(VHOST_PCI_F_SESSION);
  }

  #speaks(feature: number): boolean {
    return (this.#driver.features & (1n << BigInt(feature))) !== 0n;
  }

  /** The peer, unless this driver cannot work with its memory. */
  #usablePeer(): ConnectedPeer | null {
    const peer = this.#peer;
    if (!peer || !this.#driver.ready || peer.memory.regions.length === 0) return peer;
    return this.#misfit(peer) === '' ? peer : null;
  }

  /** Why this driver cannot reach this peer's memory; empty when it can. */
  #misfit(peer: ConnectedPeer): string {
    const session = this.#speaks(VHOST_PCI_F_SESSION);
    if (!(session && this.#speaks(VHOST_PCI_F_REMAP)) && !this.#driver.showsToClient(peer.bars)) {
      return 'VM2 has another memory file than the one that VM1 has mapped: start VM2 with memory-backend-file on tmpfs at a fixed path (mem-path=/dev/shm/NAME,share=on), or restart VM1';
    }
    if (session) return '';
    if (peer.legacy) return 'the peer is a legacy driver, which a driver without SESSION cannot be told';
    const packed = packRegions(peer.memory.regions);
    if (typeof packed === 'string') return `${packed}, which a driver without SESSION cannot be told`;
    const wrong = peer.rings.find(
      (ring) => peer.isActive(ring) && ring.num !== VHOST_PCI_REFERENCE_VRING_SIZE,
    );
    if (wrong)
      return `ring ${wrong.index} has ${wrong.num} entries, and a driver without SESSION assumes 256`;
    if (!this.#toldOnce || !peer.ready) return '';
    return this.#toldOnce.memory === fingerprint(packed) &&
      this.#toldOnce.queues === fingerprint(ringsOf(peer))
      ? ''
      : 'the peer has other rings, and a driver without SESSION is told once';
  }

  #syncSession(): void {
    // The books first: a driver that cannot take a message is forgotten while it is sent.
    for (const message of this.#news()) this.#driver.send(message);
  }

  /** What the driver does not know, as messages. From now on it counts as told. */
  #news(): Uint8Array[] {
    const peer = this.#usablePeer();
    const out = this.#told?.peer === peer ? [] : this.#farewell();
    if (!peer || (!this.#told && !peer.ready)) return out;
    let told = this.#told;
    if (told?.memory !== peer.memory) {
      out.push(...disabled(told), peerFeaturesMessage(negotiated(peer)));
      out.push(placedMemoryMessage(placeRegions(peer.memory.regions, peer.bars)));
      const { memory, features, rings } = peer;
      told = this.#told = { peer, memory, features, mtu: told?.mtu ?? 0, records: rings.map(() => STOPPED) };
    } else if (told.features !== peer.features) {
      told.features = peer.features;
      out.push(peerFeaturesMessage(negotiated(peer)));
    }
    if (told.mtu !== peer.networkMtu) {
      told.mtu = peer.networkMtu;
      out.push(peerMtuMessage(told.mtu));
    }
    const records = peer.rings.map((ring) => this.#record(peer, ring));
    out.push(...newRecords(told, records));
    if (peer.announce) out.push(peerAnnounceMessage(peer.announce));
    peer.announce = null;
    return out;
  }

  /** The peer that was told is gone: queues first, then the memory under them. */
  #farewell(): Uint8Array[] {
    if (!this.#told) return [];
    this.#driver.setLink(false);
    for (const ring of this.#peer?.rings ?? []) ring.told = false;
    const out = [...disabled(this.#told), placedMemoryMessage([])];
    this.#told = null;
    return out;
  }

  /** The reference's way: memory and queues once, when both sides are ready. */
  #syncOnce(): void {
    const peer = this.#usablePeer();
    if (!peer?.ready) return;
    const packed = packRegions(peer.memory.regions);
    if (typeof packed === 'string') return;
    const records = peer.rings.map((ring) => ({ ...this.#record(peer, ring), vring_num: ring.index }));
    if (this.#toldOnce) return;
    this.#toldOnce = { memory: fingerprint(packed), queues: fingerprint(ringsOf(peer)) };
    this.#driver.send(packedMemoryMessage(packed));
    this.#driver.send(queuesMessage(records));
  }

  /** What a driver is told of a ring; from then on the ring is that driver's. */
  #record(peer: ConnectedPeer, ring: PeerRing): QueueRecord {
    if (!ring.guest || !peer.isActive(ring)) return STOPPED;
    if (!ring.told) {
      ring.toldIndex = peer.nextIndex(ring);
      ring.told = true;
      ring.serial = this.#lastSerial = (this.#lastSerial % 0xffff) + 1;
      ring.served = true;
      ring.next = null;
      this.#driver.gates?.open(crossed(ring.index), ring.serial);
    }
    return {
      last_avail_idx: ring.toldIndex,
      serial: ring.serial,
      vring_enable: 1,
      vring_num: ring.num,
      desc_gpa: ring.guest.desc,
      avail_gpa: ring.guest.avail,
      used_gpa: ring.guest.used,
    };
  }
}

/** The peer's RX ring belongs to our TX queue of the pair, and the other way round. */
export const crossed = (queue: number): number => queue ^ 1;

/** REMOTE_QUEUES if these records are not what was told. */
function newRecords(told: Told, records: readonly QueueRecord[]): Uint8Array[] {
  if (fingerprint(told.records) === fingerprint(records)) return [];
  told.records = records;
  return [queuesMessage(records)];
}

function disabled(told: Told | null): Uint8Array[] {
  const records = told?.records.map(() => STOPPED) ?? [];
  return told ? newRecords(told, records) : [];
}

/** What the peer's driver negotiated: bit 30 is between us and its front-end. */
const negotiated = (peer: ConnectedPeer) => peer.features & ~(1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES));

const ringsOf = (peer: ConnectedPeer) => peer.rings.map(({ num, guest }) => ({ num, ...guest }));

function fingerprint(value: unknown): string {
  return JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? field.toString(16) : field));
}
