// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user messages of this back-end: one row each, with name, payload size, descriptors and handler.
// Messages that are not in the table are refused. Handlers only see messages with a valid size and number of
// descriptors; they take the descriptors they keep out of `fds`, and throw ProtocolError to refuse.
//
// Handlers of memory and of rings are in memory-messages.ts and ring-messages.ts, those of the device here.
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
  VHOST_USER_VRING_STATE,
} from '../../../src/abi/vhost-user.ts';
import { VIRTIO_F_RING_PACKED } from '../../../src/abi/virtio-ring.ts';
import { VERSION_1 } from '../function/features.ts';
import { addMemReg, MAX_MEM_SLOTS, remMemReg, setMemTable } from './memory-messages.ts';
import { type MessageHandler, type Request, u64 } from './message.ts';
import { ProtocolError } from './protocol-error.ts';
import {
  getVringBase,
  setVringAddr,
  setVringBase,
  setVringCall,
  setVringEnable,
  setVringEndian,
  setVringErr,
  setVringKick,
  setVringNum,
} from './ring-messages.ts';

export const PROTOCOL_FEATURES =
  (1n << BigInt(VHOST_USER_PROTOCOL_F_MQ)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_RARP)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_REPLY_ACK)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_MTU)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_RESET_DEVICE)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_STATUS));

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
