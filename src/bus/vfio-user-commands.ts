// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user commands that the driver sends, one function each. The size of a reply and every count and
// offset in it are checked; an invalid reply throws VPCI_BAD_REPLY.
import { decode, encode, type Layout } from '../abi/layout.ts';
import {
  VFIO_DEVICE_INFO,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_USER,
  VFIO_USER_DMA_MAP,
  VFIO_USER_IO_FD_TYPE_IOEVENTFD,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IO_FD,
  VFIO_USER_VERSION,
} from '../abi/vfio-user.ts';
import { PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { CLIENT_MAX_FDS, closeAll, type VfioUserClient } from './vfio-user-client.ts';

/** Maximum number of notification registers in a reply; more than the queues of any device. */
const MAX_IO_FD_ENTRIES = 4096;

/** A descriptor whose signal equals a 16-bit write to a register. */
export interface IoEventFd {
  /** Bytes from the region's start. */
  readonly offset: bigint;
  readonly fd: number;
}

/** Negotiates version 0.0. Throws VPCI_BAD_REPLY if the server has another. */
export function negotiateVersion(client: VfioUserClient): void {
  const capabilities = { capabilities: { max_msg_fds: CLIENT_MAX_FDS, max_data_xfer_size: 1 << 20 } };
  const json = new TextEncoder().encode(`${JSON.stringify(capabilities)}\0`);
  const payload = new Uint8Array(VFIO_USER_VERSION.size + json.length);
  payload.set(json, VFIO_USER_VERSION.size);
  const { payload: reply } = client.request({ command: VFIO_USER.VERSION, payload });
  const version = decodeReply(VFIO_USER_VERSION, reply, 'VERSION');
  if (version.major !== 0) throw badReply(`version ${version.major}.${version.minor} instead of 0.0`);
}

export function deviceInfo(client: VfioUserClient) {
  const payload = bytesOf(VFIO_DEVICE_INFO, { argsz: VFIO_DEVICE_INFO.size });
  const { payload: reply } = client.request({ command: VFIO_USER.DEVICE_GET_INFO, payload });
  return decodeReply(VFIO_DEVICE_INFO, reply, 'DEVICE_GET_INFO');
}

/** Flags and number of the MSI-X vectors. */
export function msixIrqInfo(client: VfioUserClient) {
  const payload = bytesOf(VFIO_IRQ_INFO, { argsz: VFIO_IRQ_INFO.size, index: VFIO_PCI_MSIX_IRQ_INDEX });
  const { payload: reply } = client.request({ command: VFIO_USER.DEVICE_GET_IRQ_INFO, payload });
  return decodeReply(VFIO_IRQ_INFO, reply, 'DEVICE_GET_IRQ_INFO');
}

/** Attaches the eventfd to an MSI-X vector. */
export function setMsixEventfd(client: VfioUserClient, vector: number, fd: number): void {
  const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
  const fields = { argsz: VFIO_IRQ_SET.size, flags, index: VFIO_PCI_MSIX_IRQ_INDEX, start: vector, count: 1 };
  client.request({ command: VFIO_USER.DEVICE_SET_IRQS, payload: bytesOf(VFIO_IRQ_SET, fields), fds: [fd] });
}

/** Detaches all MSI-X eventfds. */
export function disableMsix(client: VfioUserClient): void {
  const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
  const fields = { argsz: VFIO_IRQ_SET.size, flags, index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count: 0 };
  client.request({ command: VFIO_USER.DEVICE_SET_IRQS, payload: bytesOf(VFIO_IRQ_SET, fields) });
}

/** Reads 1, 2 or 4 bytes of a region. */
export function regionRead(client: VfioUserClient, region: number, offset: number, count: 1 | 2 | 4): number {
  const payload = bytesOf(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count });
  const { payload: reply } = client.request({ command: VFIO_USER.REGION_READ, payload });
  const data = VFIO_USER_REGION_ACCESS.size;
  if (reply.byteLength !== data + count) throw badReply(`${reply.byteLength} bytes for a read of ${count}`);
  if (count === 1) return reply.getUint8(data);
  return count === 2 ? reply.getUint16(data, true) : reply.getUint32(data, true);
}

/** Writes 1, 2 or 4 bytes of a region. */
export function regionWrite(
  client: VfioUserClient,
  region: number,
  offset: number,
  count: 1 | 2 | 4,
  value: number,
): void {
  const payload = new DataView(new ArrayBuffer(VFIO_USER_REGION_ACCESS.size + count));
  encode(VFIO_USER_REGION_ACCESS, { offset: BigInt(offset), region, count }, payload);
  const data = VFIO_USER_REGION_ACCESS.size;
  if (count === 1) payload.setUint8(data, value);
  else if (count === 2) payload.setUint16(data, value, true);
  else payload.setUint32(data, value, true);
  client.request({ command: VFIO_USER.REGION_WRITE, payload: new Uint8Array(payload.buffer) });
}

export function dmaMap(client: VfioUserClient, fd: number, address: bigint, size: number): void {
  const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  const fields = { argsz: VFIO_USER_DMA_MAP.size, flags, offset: 0n, address, size: BigInt(size) };
  client.request({ command: VFIO_USER.DMA_MAP, payload: bytesOf(VFIO_USER_DMA_MAP, fields), fds: [fd] });
}

export function deviceReset(client: VfioUserClient): void {
  client.request({ command: VFIO_USER.DEVICE_RESET });
}

/**
 * The ioeventfds of a region, and all descriptors received (the caller owns them; several entries may share
 * one). Empty if the server has none.
 */
export function regionIoFds(
  client: VfioUserClient,
  region: number,
): { entries: IoEventFd[]; fds: readonly number[] } {
  const full = VFIO_USER_REGION_IO_FDS.size + MAX_IO_FD_ENTRIES * VFIO_USER_SUB_REGION_IO_FD.size;
  const { payload: reply, fds } = client.request({
    command: VFIO_USER.DEVICE_GET_REGION_IO_FDS,
    payload: bytesOf(VFIO_USER_REGION_IO_FDS, { argsz: full, index: region }),
    maxReplyFds: CLIENT_MAX_FDS,
  });
  try {
    const head = decodeReply(VFIO_USER_REGION_IO_FDS, reply, 'DEVICE_GET_REGION_IO_FDS');
    const needed = VFIO_USER_REGION_IO_FDS.size + head.count * VFIO_USER_SUB_REGION_IO_FD.size;
    if (needed > reply.byteLength) throw badReply(`${head.count} ioeventfds in ${reply.byteLength} bytes`);
    return { entries: readIoFdEntries(reply, head.count, fds), fds };
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}

function readIoFdEntries(reply: DataView, count: number, fds: readonly number[]): IoEventFd[] {
  const entries: IoEventFd[] = [];
  for (let index = 0; index < count; index++) {
    const base = VFIO_USER_REGION_IO_FDS.size + index * VFIO_USER_SUB_REGION_IO_FD.size;
    const entry = decode(VFIO_USER_SUB_REGION_IO_FD, reply, base);
    if (entry.type !== VFIO_USER_IO_FD_TYPE_IOEVENTFD) continue;
    const fd = fds[entry.fd_index];
    if (fd === undefined) throw badReply(`descriptor ${entry.fd_index} of ${fds.length}`);
    // A burst writes to it, and could block on anything but an eventfd.
    if (!native.isEventfd(fd)) throw badReply(`descriptor ${entry.fd_index} is not an eventfd`);
    entries.push({ offset: entry.offset, fd });
  }
  return entries;
}

export function bytesOf<F extends Layout['fields']>(
  layout: Layout<F>,
  values: Parameters<typeof encode<F>>[1],
): Uint8Array {
  return new Uint8Array(encode(layout, values).buffer as ArrayBuffer);
}

export function decodeReply<F extends Layout['fields']>(layout: Layout<F>, reply: DataView, command: string) {
  if (reply.byteLength < layout.size) throw badReply(`${reply.byteLength} bytes for ${command}`);
  return decode(layout, reply);
}

export function badReply(what: string): PmdError {
  return new PmdError('VPCI_BAD_REPLY', `The device sent a malformed vfio-user reply: ${what}`);
}
