// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user messages of this back-end: one row each, with name, payload size, descriptors and handler.
// Messages that are not in the table are refused. Handlers only see messages with a valid size and number of
// descriptors; they take the descriptors they keep out of `fds`, and throw ProtocolError to refuse.
import { decode } from '../../../src/abi/layout.ts';
import { MAX_MTU, MIN_MTU } from '../../../src/abi/vhost-pci.ts';
import {
  VHOST_USER,
  VHOST_USER_MAX_REGIONS,
  VHOST_USER_MEM_REG_HEAD_BYTES,
  VHOST_USER_MEMORY,
  VHOST_USER_MEMORY_REGION,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
  VHOST_USER_U64,
  VHOST_USER_VRING_ADDR,
  VHOST_USER_VRING_IDX_MASK,
  VHOST_USER_VRING_NOFD_MASK,
  VHOST_USER_VRING_STATE,
} from '../../../src/abi/vhost-user.ts';
import { VIRTIO_F_RING_PACKED } from '../../../src/abi/virtio-ring.ts';
import { formatByteSize } from '../../../src/byte-size.ts';
import { native } from '../../../src/native.ts';
import { closeQuietly, takeFd } from '../../socket/fds.ts';
import { eventfdKind } from '../eventfd/eventfd-kind.ts';
import type { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import { VERSION_1 } from '../function/features.ts';
import { distinctFiles } from './bar-layout.ts';
import { MemoryTable, type RegionMessage } from './memory-table.ts';
import { type ConnectedPeer, outsideMemory, type PeerRing, setBase } from './peer.ts';
import { ProtocolError } from './protocol-error.ts';
import { isAligned } from './ring-format.ts';

/** What messages act on besides the peer's own state. */
export interface PeerHost {
  /** Limit on the total bytes of a peer's memory files; unlimited when omitted. */
  readonly maxPeerMemory?: number;
  /** Shared with the driver's side; omitted where there is none. */
  readonly eventfds?: EventfdRoles;
  /** Feature bits for GET_FEATURES. */
  readonly offeredFeatures: bigint;
  /** The peer negotiated these features; throws ProtocolError when the driver cannot work with them. */
  acceptFeatures(features: bigint): void;
  readonly session: {
    /** Resolves when no driver is working these rings any more (D6). */
    stopRings(rings: readonly PeerRing[]): Promise<void>;
  };
  readonly kicks: {
    /** The ring has a kick descriptor: starts relaying it. */
    watch(ring: PeerRing): void;
    /** The ring's kick descriptor is about to be closed. */
    unwatch(ring: PeerRing): void;
  };
}

export interface Request {
  readonly peer: ConnectedPeer;
  readonly host: PeerHost;
  readonly payload: DataView;
  readonly fds: number[];
}

/** A reply's payload; undefined for messages without a reply. */
type Reply = undefined | Uint8Array;

export interface MessageHandler {
  readonly name: keyof typeof VHOST_USER;
  readonly minPayload: number;
  readonly maxPayload: number;
  /** Number of descriptors; a handler whose number depends on the payload checks that itself. */
  readonly minFds: number;
  readonly maxFds: number;
  /** The message has a reply of its own, so REPLY_ACK does not apply. */
  readonly replies: boolean;
  /** Protocol feature that must be negotiated first. */
  readonly needs?: number;
  // biome-ignore lint/suspicious/noConfusingVoidType: handlers without a reply simply end.
  readonly handle: (request: Request) => void | Reply | Promise<void | Reply>;
}

export const PROTOCOL_FEATURES =
  (1n << BigInt(VHOST_USER_PROTOCOL_F_MQ)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_RARP)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_REPLY_ACK)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_MTU)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_RESET_DEVICE)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_STATUS));

/** Limit of a function (docs/device-abi.md). */
export const MAX_QUEUE_PAIRS = 128;

/** GET_MAX_MEM_SLOTS: as many regions as a control queue message of docs/device-abi.md holds. */
export const MAX_MEM_SLOTS = 16;

const U64 = VHOST_USER_U64.size;
const STATE = VHOST_USER_VRING_STATE.size;
const ADDR = VHOST_USER_VRING_ADDR.size;
const REGION = VHOST_USER_MEMORY_REGION.size;
const MEM_REG = VHOST_USER_MEM_REG_HEAD_BYTES + REGION;
const MEM_TABLE = VHOST_USER_MEMORY.size + VHOST_USER_MAX_REGIONS * REGION;
const PACKED_RING = 1n << BigInt(VIRTIO_F_RING_PACKED);
const SLOTS = VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;

type Row = [
  name: keyof typeof VHOST_USER,
  payload: number | readonly [number, number],
  fds: number | readonly [number, number],
  replies: boolean,
  handle: MessageHandler['handle'],
  needs?: number,
];

const ROWS: readonly Row[] = [
  ['GET_FEATURES', 0, 0, true, ({ host }) => u64(host.offeredFeatures)],
  ['SET_FEATURES', U64, 0, false, setFeatures],
  ['SET_OWNER', 0, 0, false, nothing],
  // Deprecated: "no longer used" (vhost-user.rst), and front-ends that send it do not mean a reset.
  ['RESET_OWNER', 0, 0, false, nothing],
  ['SET_MEM_TABLE', [VHOST_USER_MEMORY.size, MEM_TABLE], [0, VHOST_USER_MAX_REGIONS], false, setMemTable],
  ['SET_VRING_NUM', STATE, 0, false, setVringNum],
  ['SET_VRING_ADDR', ADDR, 0, false, setVringAddr],
  ['SET_VRING_BASE', STATE, 0, false, setVringBase],
  ['GET_VRING_BASE', STATE, 0, true, getVringBase],
  ['SET_VRING_KICK', U64, [0, 1], false, setVringKick],
  ['SET_VRING_CALL', U64, [0, 1], false, setVringCall],
  ['SET_VRING_ERR', U64, [0, 1], false, setVringErr],
  ['GET_PROTOCOL_FEATURES', 0, 0, true, () => u64(PROTOCOL_FEATURES)],
  ['SET_PROTOCOL_FEATURES', U64, 0, false, setProtocolFeatures],
  ['GET_QUEUE_NUM', 0, 0, true, getQueueNum, VHOST_USER_PROTOCOL_F_MQ],
  ['SET_VRING_ENDIAN', STATE, 0, false, setVringEndian],
  ['SET_VRING_ENABLE', STATE, 0, false, setVringEnable],
  ['SEND_RARP', U64, 0, false, sendRarp, VHOST_USER_PROTOCOL_F_RARP],
  ['NET_SET_MTU', U64, 0, false, netSetMtu, VHOST_USER_PROTOCOL_F_MTU],
  ['RESET_DEVICE', 0, 0, false, resetDevice, VHOST_USER_PROTOCOL_F_RESET_DEVICE],
  ['GET_MAX_MEM_SLOTS', 0, 0, true, () => u64(BigInt(MAX_MEM_SLOTS)), SLOTS],
  ['ADD_MEM_REG', MEM_REG, 1, false, addMemReg, SLOTS],
  // Some front-ends attach the region's descriptor here too (vhost-user.rst allows it); it is not needed.
  ['REM_MEM_REG', MEM_REG, [0, 1], false, remMemReg, SLOTS],
  ['SET_STATUS', U64, 0, false, setStatus, VHOST_USER_PROTOCOL_F_STATUS],
  ['GET_STATUS', 0, 0, true, ({ peer }) => u64(BigInt(peer.status)), VHOST_USER_PROTOCOL_F_STATUS],
];

export const MESSAGE_HANDLERS: ReadonlyMap<number, MessageHandler> = new Map(
  ROWS.map(([name, payload, fds, replies, handle, needs]) => {
    const [minPayload, maxPayload] = typeof payload === 'number' ? [payload, payload] : payload;
    const [minFds, maxFds] = typeof fds === 'number' ? [fds, fds] : fds;
    const row = { name, minPayload, maxPayload, minFds, maxFds, replies, handle };
    return [VHOST_USER[name], needs === undefined ? row : { ...row, needs }];
  }),
);

export function u64(value: bigint): Uint8Array {
  const data = new Uint8Array(U64);
  new DataView(data.buffer).setBigUint64(0, value, true);
  return data;
}

function nothing(): void {}

function setFeatures({ peer, host, payload }: Request): void {
  const features = payload.getBigUint64(0, true);
  const unknown = features & ~host.offeredFeatures;
  if (unknown !== 0n)
    throw new ProtocolError(`it sets features 0x${unknown.toString(16)} that were not offered`);
  if ((features & PACKED_RING) !== 0n && (features & VERSION_1) === 0n)
    throw new ProtocolError('it sets RING_PACKED without VERSION_1: a legacy driver has split rings');
  if (features !== peer.features && peer.rings.some((ring) => ring.started && ring.guest)) {
    throw new ProtocolError('it changes features while rings are running');
  }
  host.acceptFeatures(features);
  peer.setFeatures(features);
}

/** Only a legacy driver can be big-endian. CROSS_ENDIAN is not offered, so no front-end should send this. */
function setVringEndian(): never {
  throw new ProtocolError('legacy rings are little-endian here');
}

function setProtocolFeatures({ peer, payload }: Request): void {
  const features = payload.getBigUint64(0, true);
  const unknown = features & ~PROTOCOL_FEATURES;
  if (unknown !== 0n)
    throw new ProtocolError(`it sets protocol features 0x${unknown.toString(16)} that were not offered`);
  peer.protocolFeatures = features;
}

function getQueueNum({ peer }: Request): Uint8Array {
  peer.askedForPairs = true;
  return u64(BigInt(peer.rings.length / 2));
}

async function setMemTable({ peer, host, payload, fds }: Request): Promise<void> {
  const { num_regions: count } = decode(VHOST_USER_MEMORY, payload);
  if (count === 0)
    throw new ProtocolError(
      "a memory table of 0 regions: VM2's memory is not shared: give it memory-backend-memfd,share=on",
    );
  if (count > VHOST_USER_MAX_REGIONS) throw new ProtocolError(`a memory table of ${count} regions`);
  // QEMU and DPDK send the table cut to length or in full; either way the payload must hold the regions it
  // counts.
  if (payload.byteLength < VHOST_USER_MEMORY.size + count * REGION)
    throw new ProtocolError('a truncated memory table');
  if (fds.length !== count) throw new ProtocolError(`${count} regions with ${fds.length} descriptors`);
  const messages = Array.from({ length: count }, (_, i) =>
    decode(VHOST_USER_MEMORY_REGION, payload, VHOST_USER_MEMORY.size + i * REGION),
  );
  await replaceMemory(peer, host, MemoryTable.add(MemoryTable.empty, messages, fds), fds);
}

async function addMemReg({ peer, host, payload, fds }: Request): Promise<void> {
  if (peer.memory.regions.length >= MAX_MEM_SLOTS)
    throw new ProtocolError(`more than ${MAX_MEM_SLOTS} memory regions`);
  await replaceMemory(peer, host, MemoryTable.add(peer.memory, [memReg(payload)], fds), fds);
}

async function remMemReg({ peer, host, payload }: Request): Promise<void> {
  const rest = peer.memory.without(memReg(payload));
  if (!rest) throw new ProtocolError('it removes a memory region that it did not add');
  await replaceMemory(peer, host, rest, []);
}

function memReg(payload: DataView): RegionMessage {
  return decode(VHOST_USER_MEMORY_REGION, payload, VHOST_USER_MEM_REG_HEAD_BYTES);
}

/** The driver releases every ring before its memory changes; the rings run again in the new table. */
async function replaceMemory(
  peer: ConnectedPeer,
  host: PeerHost,
  memory: MemoryTable,
  fds: number[],
): Promise<void> {
  checkSize(memory, host.maxPeerMemory ?? Number.POSITIVE_INFINITY);
  await host.session.stopRings(peer.rings);
  if (peer.closed) return;
  memory.adopt(fds);
  peer.setMemory(memory);
}

/**
 * Every page that the peer's file lacks and the driver touches is charged to the driver's machine:
 * docs/trust-model.md.
 */
function checkSize(memory: MemoryTable, most: number): void {
  const bytes = Number(distinctFiles(memory.regions).reduce((sum, { size }) => sum + size, 0n));
  if (bytes <= most) return;
  const [has, may] = [formatByteSize(bytes), formatByteSize(most)];
  throw new ProtocolError(
    `its memory is ${has}, but at most ${may} is accepted: start vhost-pci-device with --max-peer-memory ${has} to allow this`,
  );
}

async function setVringNum({ peer, host, payload }: Request): Promise<void> {
  const { index, num } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  if (!peer.format.hasSize(num)) throw new ProtocolError(`a ring of ${num} entries`);
  if (num === ring.num) return;
  await host.session.stopRings([ring]);
  ring.num = num;
  peer.placeRing(ring);
}

async function setVringAddr({ peer, host, payload }: Request): Promise<void> {
  const message = decode(VHOST_USER_VRING_ADDR, payload);
  const ring = ringAt(peer, message.index);
  const user = { desc: message.descriptor, avail: message.available, used: message.used };
  if (!isAligned(peer.format, user)) throw new ProtocolError(`ring ${ring.index} is not aligned`);
  for (const address of Object.values(user)) {
    if (peer.memory.translate(address, 1) === null) {
      throw new ProtocolError(outsideMemory(ring, peer.memory));
    }
  }
  const same = ring.user && ring.user.desc === user.desc && ring.user.avail === user.avail;
  if (same && ring.user?.used === user.used) return;
  await host.session.stopRings([ring]);
  ring.user = user;
  peer.placeRing(ring);
}

async function setVringBase({ peer, host, payload }: Request): Promise<void> {
  const { index, num } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  const base = peer.format.readBase(num);
  if (base === null) throw new ProtocolError(`base ${num} for ring ${index}`);
  await host.session.stopRings([ring]);
  setBase(ring, base);
}

async function getVringBase({ peer, host, payload }: Request): Promise<Uint8Array> {
  const { index } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  await host.session.stopRings([ring]);
  const base = peer.nextIndex(ring);
  peer.clearRing(ring);
  setBase(ring, base);
  const reply = new DataView(new ArrayBuffer(STATE));
  reply.setUint32(VHOST_USER_VRING_STATE.fields.index.offset, index, true);
  reply.setUint32(VHOST_USER_VRING_STATE.fields.num.offset, peer.format.writeBase(base), true);
  return new Uint8Array(reply.buffer);
}

function setVringKick(request: Request): void {
  // A single write to a semaphore can be up to 2^64 kicks, and a read takes only one at a time.
  if (request.fds.some((fd) => native.isEventfd(fd) && eventfdKind(fd).semaphore))
    throw new ProtocolError('the kick descriptor is a semaphore (EFD_SEMAPHORE)');
  const { ring, fd } = ringEventfd(request, 'kick', 'read');
  request.peer.setKick(ring, fd);
  ring.started = true;
  if (fd >= 0) request.host.kicks.watch(ring);
}

function setVringCall(request: Request): void {
  const { ring, fd } = ringEventfd(request, 'call', 'written');
  request.peer.setCall(ring, fd);
  // The last call may have gone to the previous descriptor, which the front-end no longer watches.
  if (fd >= 0 && ring.started) native.eventfdSignal(fd);
}

/** Accepted but not kept: this back-end reports a broken ring to its own user. */
function setVringErr(request: Request): void {
  const { fd } = ringEventfd(request, 'error');
  closeQuietly(fd);
}

async function setVringEnable({ peer, host, payload }: Request): Promise<void> {
  const { index, num } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  if (num > 1) throw new ProtocolError(`value ${num} for ring ${index}`);
  if (num === 0) await host.session.stopRings([ring]);
  ring.enabled = num === 1;
}

/** The first six bytes are the guest's MAC address, announced after a migration, for example. */
function sendRarp({ peer, payload }: Request): void {
  const mac = new Uint8Array(payload.buffer, payload.byteOffset, 6).slice();
  if (((mac[0] ?? 1) & 1) !== 0) throw new ProtocolError('a multicast address to announce');
  if (mac.every((byte) => byte === 0)) throw new ProtocolError('an all-zero address to announce');
  peer.announce = mac;
}

function netSetMtu({ peer, payload }: Request): void {
  const mtu = payload.getBigUint64(0, true);
  if (mtu < MIN_MTU || mtu > MAX_MTU) throw new ProtocolError(`an MTU of ${mtu}`);
  peer.mtu = Number(mtu);
}

async function setStatus({ peer, host, payload }: Request): Promise<void> {
  const status = payload.getBigUint64(0, true);
  if (status > 0xffn) throw new ProtocolError(`device status 0x${status.toString(16)}`);
  if (status === 0n) await resetDevice({ peer, host });
  peer.status = Number(status);
}

async function resetDevice({ peer, host }: Pick<Request, 'peer' | 'host'>): Promise<void> {
  await host.session.stopRings(peer.rings);
  peer.reset();
  peer.status = 0;
}

/** Compares all 32 bits of the index, without truncating it to a narrower type. */
function ringAt(peer: ConnectedPeer, index: number): PeerRing {
  const ring = peer.rings[index];
  if (ring) return ring;
  const [asked, pairs] = [Math.floor(index / 2) + 1, peer.rings.length / 2];
  throw new ProtocolError(
    index < 2 * MAX_QUEUE_PAIRS
      ? `ring ${index} of ${peer.rings.length}: it needs at least ${asked} queue pairs, but the function has ${pairs}: start vhost-pci-device with --queues ${asked} or more`
      : `ring ${index} of ${peer.rings.length}`,
  );
}

/** The ring of a KICK, CALL or ERR message and its eventfd, taken out of `fds`; -1 for "no descriptor". */
function ringEventfd(
  { peer, host, payload, fds }: Request,
  what: string,
  role?: 'read' | 'written',
): { ring: PeerRing; fd: number } {
  const value = payload.getBigUint64(0, true);
  if (value > BigInt(VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD_MASK)) {
    throw new ProtocolError(`unknown bits 0x${value.toString(16)} with a ${what} descriptor`);
  }
  const ring = ringAt(peer, Number(value) & VHOST_USER_VRING_IDX_MASK);
  const none = (Number(value) & VHOST_USER_VRING_NOFD_MASK) !== 0;
  const fd = fds[0];
  if (none !== (fd === undefined))
    throw new ProtocolError(`ring ${ring.index}: ${what} descriptor missing or unexpected`);
  if (fd === undefined) return { ring, fd: -1 };
  if (!native.isEventfd(fd))
    throw new ProtocolError(`ring ${ring.index}: the ${what} descriptor is not an eventfd`);
  if (role && host.eventfds?.allows(fd, role) === false)
    throw new ProtocolError(
      `ring ${ring.index}: the ${what} descriptor is an eventfd already used in the other direction`,
    );
  return { ring, fd: takeFd(fds, fd) };
}
