// SPDX-License-Identifier: BSD-3-Clause
// The state of one connected peer: features, memory, rings. Holds state and its rules; knows neither socket
// nor driver.
import { VHOST_USER_F_PROTOCOL_FEATURES } from '../../../src/abi/vhost-user.ts';
import { VIRTIO_NET_F_MTU } from '../../../src/abi/virtio-net.ts';
import { VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1, VRING_USED } from '../../../src/abi/virtio-ring.ts';
import { closeQuietly } from '../../socket/fds.ts';
import { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import { assignBars, distinctFiles } from './bar-layout.ts';
import { type MemoryFile, MemoryTable } from './memory-table.ts';
import { ProtocolError } from './protocol-error.ts';
import { isAligned, PACKED, type RingAddresses, type RingFormat, SPLIT } from './ring-format.ts';

export interface PeerRing {
  readonly index: number;
  /** Entries; 0 until SET_VRING_NUM. */
  num: number;
  /** Addresses in the front-end's address space, as it sent them. */
  user: RingAddresses | null;
  /** The same as guest-physical addresses, once the ring can run. */
  guest: RingAddresses | null;
  /** SET_VRING_KICK was received: vhost-user's "ring is started". */
  started: boolean;
  /** Set by SET_VRING_ENABLE. */
  enabled: boolean;
  kickFd: number;
  callFd: number;
  /** Position to start from, set by the front-end: an index, or slot and wrap counter. */
  base: number;
  /** A driver has worked this ring since `base` was set, so `base` is out of date. */
  served: boolean;
  /** Where the last driver stopped, from its answer or its memory; null when neither is available. */
  next: number | null;
  /** A driver works this ring, from `assignedIndex` on. */
  assigned: boolean;
  assignedIndex: number;
  /** Sequence number of that assignment; stored in the driver's position words. */
  serial: number;
  /**
   * The position where the last driver stopped is unknown: no driver may work the ring until the peer sets it
   * up again.
   */
  lost: boolean;
}

export class ConnectedPeer {
  featuresSet = false;
  /** GET_QUEUE_NUM was answered. */
  askedForPairs = false;
  protocolFeatures = 0n;
  /** NET_SET_MTU. */
  mtu = 0;
  /** SEND_RARP: the latest address that has not been sent to a driver yet. */
  announce: Uint8Array | null = null;
  status = 0;
  memory = MemoryTable.empty;
  /** The connection is over: no more resources may be stored here. */
  closed = false;
  /** BAR of each memory file. */
  bars: ReadonlyMap<number, MemoryFile> = new Map();
  readonly rings: readonly PeerRing[];
  #features = 0n;
  readonly #unwatchKick: (ring: PeerRing) => void;
  readonly #eventfds: EventfdRoles;

  /** `unwatchKick` is called before a kick descriptor is closed. */
  constructor(
    queuePairs: number,
    unwatchKick: (ring: PeerRing) => void = () => {},
    eventfds = new EventfdRoles(),
  ) {
    this.#unwatchKick = unwatchKick;
    this.#eventfds = eventfds;
    this.rings = Array.from({ length: 2 * queuePairs }, (_, index) => newRing(index));
  }

  get features(): bigint {
    return this.#features;
  }

  /** Translates all rings again, because the features decide their format. */
  setFeatures(features: bigint): void {
    this.#features = features;
    this.featuresSet = true;
    this.#placeAll();
  }

  /** Ring format that the features select. */
  get format(): RingFormat {
    return (this.#features & (1n << BigInt(VIRTIO_F_RING_PACKED))) === 0n ? SPLIT : PACKED;
  }

  /** The driver may work this ring: vhost-user.rst, "Ring states", started and enabled. */
  isActive(ring: PeerRing): boolean {
    return ring.started && ring.guest !== null && !ring.lost && this.isEnabled(ring);
  }

  /** MTU of the peer's network if its driver negotiated F_MTU (VIRTIO 1.2, 5.1.3), else 0. */
  get networkMtu(): number {
    return (this.#features & (1n << BigInt(VIRTIO_NET_F_MTU))) === 0n ? 0 : this.mtu;
  }

  /** Without protocol features there is no SET_VRING_ENABLE, and rings come up enabled. */
  isEnabled(ring: PeerRing): boolean {
    return ring.enabled || (this.features & (1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES))) === 0n;
  }

  /** The first queue pair runs. */
  get ready(): boolean {
    const [rx, tx] = this.rings;
    return rx && tx && this.featuresSet ? this.isActive(rx) && this.isActive(tx) : false;
  }

  /**
   * The peer's driver predates virtio 1.0: split rings, and a network header of 10 bytes without MRG_RXBUF
   * (VIRTIO 1.2, 5.1.6.1).
   */
  get legacy(): boolean {
    return this.featuresSet && (this.#features & (1n << BigInt(VIRTIO_F_VERSION_1))) === 0n;
  }

  /** Takes another memory table and translates every ring again. Running rings have already been stopped. */
  setMemory(memory: MemoryTable): void {
    this.memory.closeExcept(memory);
    this.memory = memory;
    this.bars = assignBars(distinctFiles(memory.regions), this.bars);
    this.#placeAll();
  }

  /**
   * Translates a ring's addresses once its size and addresses are known. Throws ProtocolError when it does
   * not lie in the memory table.
   */
  placeRing(ring: PeerRing): void {
    ring.guest = null;
    if (!ring.user || ring.num === 0) return;
    ring.guest = translateRing(this.memory, this.format, ring.user, ring.num);
    if (!ring.guest) throw new ProtocolError(outsideMemory(ring, this.memory));
  }

  #placeAll(): void {
    for (const ring of this.rings) {
      ring.guest =
        ring.user && ring.num > 0 ? translateRing(this.memory, this.format, ring.user, ring.num) : null;
    }
  }

  /**
   * For GET_VRING_BASE and reset: clears the ring except for its call descriptor, so that stale addresses
   * cannot be reused.
   */
  clearRing(ring: PeerRing): void {
    this.setKick(ring, -1);
    ring.started = false;
    ring.user = null;
    ring.guest = null;
  }

  /** Takes ownership of the descriptor that the peer's driver kicks; -1 for none. */
  setKick(ring: PeerRing, fd: number): void {
    if (ring.kickFd >= 0) this.#unwatchKick(ring);
    this.#drop(ring.kickFd);
    ring.kickFd = fd;
    if (fd >= 0) this.#eventfds.note(fd, 'read');
  }

  /** Takes ownership of the descriptor that calls the peer's driver; -1 for none. */
  setCall(ring: PeerRing, fd: number): void {
    this.#drop(ring.callFd);
    ring.callFd = fd;
    if (fd >= 0) this.#eventfds.note(fd, 'written');
  }

  #drop(eventfd: number): void {
    this.#eventfds.forget(eventfd);
    closeQuietly(eventfd);
  }

  reset(): void {
    for (const ring of this.rings) {
      this.clearRing(ring);
      ring.enabled = false;
      ring.num = 0;
      setBase(ring, 0);
    }
  }

  /** Index of the next available entry that no driver has consumed. */
  nextIndex(ring: PeerRing): number {
    if (ring.next !== null) return ring.next;
    if (!ring.served || !ring.guest || this.format === PACKED) return ring.base;
    // Entries are used in order, so an entry that is not used has not been consumed.
    return this.memory.readU16(ring.guest.used + BigInt(VRING_USED.fields.idx.offset)) ?? ring.base;
  }

  close(): void {
    this.closed = true;
    for (const ring of this.rings) {
      this.clearRing(ring);
      this.setCall(ring, -1);
    }
    this.setMemory(MemoryTable.empty);
  }
}

/** The usual cause: front-ends silently leave out memory that is not shared. */
export function outsideMemory({ index }: PeerRing, { regions }: MemoryTable): string {
  const shown =
    regions.length === 0
      ? 'which is empty'
      : `which has ${regions.length} ${regions.length === 1 ? 'region' : 'regions'}`;
  return `ring ${index} lies outside the memory table, ${shown}: VM2's memory is not shared: give it memory-backend-memfd,share=on`;
}

export function setBase(ring: PeerRing, base: number): void {
  ring.base = base;
  ring.served = false;
  ring.next = null;
  ring.lost = false;
}

function translateRing(
  memory: MemoryTable,
  format: RingFormat,
  user: RingAddresses,
  num: number,
): RingAddresses | null {
  if (!format.hasSize(num)) return null;
  const bytes = format.bytes(num);
  const desc = memory.translate(user.desc, bytes.desc);
  const avail = memory.translate(user.avail, bytes.avail);
  const used = memory.translate(user.used, bytes.used);
  if (desc === null || avail === null || used === null) return null;
  const guest = { desc, avail, used };
  return isAligned(format, guest) ? guest : null;
}

function newRing(index: number): PeerRing {
  return {
    index,
    num: 0,
    user: null,
    guest: null,
    started: false,
    enabled: false,
    kickFd: -1,
    callFd: -1,
    base: 0,
    served: false,
    next: null,
    assigned: false,
    assignedIndex: 0,
    serial: 0,
    lost: false,
  };
}
