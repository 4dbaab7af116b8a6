// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user commands, one row each: name, smallest payload, descriptors, handler. Everything in a payload
// is checked before use; a handler throws VfioError to refuse, and leaves in `fds` the descriptors that it
// does not keep.
import { decode, encode } from '../../../src/abi/layout.ts';
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_INFO,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_IRQ_INFO,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_IRQ_SET,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  VFIO_REGION_SPARSE_MMAP_AREA,
  VFIO_USER,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_IO_FD_TYPE_IOEVENTFD,
  VFIO_USER_MAX_MSG_FDS,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_SUB_REGION_IO_FD,
} from '../../../src/abi/vfio-user.ts';
import { REGISTER_BAR } from '../function/bars.ts';
import type { DmaMap, DmaTable } from './dma-table.ts';
import type { IrqTable } from './irq-table.ts';
import { EINVAL, VfioError } from './vfio-error.ts';

export interface RegionDescription {
  /** Bytes; 0 when the region is absent. */
  readonly size: bigint;
  /** False refuses writes, and mappings for writing. */
  readonly writable: boolean;
  /** The part that may be mapped: `[0, bytes)` of this descriptor's file. */
  readonly mappable: { readonly fd: number; readonly bytes: bigint } | null;
}

export interface NotifyEventfd {
  /** Offset in BAR 0. */
  readonly offset: number;
  /** Bytes of the write that it stands for. */
  readonly bytes: number;
  readonly fd: number;
}

/** The function behind the protocol. */
export interface VfioTarget {
  readonly dma: DmaTable;
  readonly irqs: IrqTable;
  /** A client has just connected. */
  attached(): void;
  /** The client is gone: the function returns to its initial state. */
  detached(): void;
  /** The region as reported to the client, which may rely on it from now on. */
  describeRegion(index: number): RegionDescription;
  /** Current size of a region in bytes; 0 when it is absent. */
  regionSize(index: number): bigint;
  /** `[offset, + count)` lies in the region. Throws VfioError. */
  readRegion(index: number, offset: number, count: number): Uint8Array;
  writeRegion(index: number, offset: number, data: Uint8Array): void;
  notifyEventfds(): readonly NotifyEventfd[];
  /** These maps are about to be removed: nothing may use them after this returns. */
  dmaUnmapping(maps: readonly DmaMap[]): void;
  reset(): void;
}

export interface VfioRequest {
  readonly target: VfioTarget;
  readonly payload: DataView;
  readonly fds: number[];
  /** Descriptors that the client accepts with one message. */
  readonly clientMaxFds: number;
}

export interface VfioReply {
  readonly payload: Uint8Array;
  /** Remain the target's. */
  readonly fds?: readonly number[];
}

export interface CommandHandler {
  readonly name: keyof typeof VFIO_USER;
  readonly minPayload: number;
  readonly maxFds: number;
  handle(request: VfioRequest): VfioReply;
}

const EMPTY: VfioReply = { payload: new Uint8Array(0) };
/** Largest single access; with its headers it stays below VFIO_USER_MAX_MESSAGE. */
export const MAX_ACCESS_BYTES = 1 << 19;

type Row = readonly [keyof typeof VFIO_USER, number, number, (request: VfioRequest) => VfioReply];

const ROWS: readonly Row[] = [
  ['DMA_MAP', VFIO_USER_DMA_MAP.size, 1, dmaMap],
  ['DMA_UNMAP', VFIO_USER_DMA_UNMAP.size, 0, dmaUnmap],
  ['DEVICE_GET_INFO', VFIO_DEVICE_INFO.size, 0, getInfo],
  ['DEVICE_GET_REGION_INFO', VFIO_REGION_INFO.size, 0, getRegionInfo],
  ['DEVICE_GET_REGION_IO_FDS', VFIO_USER_REGION_IO_FDS.size, 0, getRegionIoFds],
  ['DEVICE_GET_IRQ_INFO', VFIO_IRQ_INFO.size, 0, getIrqInfo],
  ['DEVICE_SET_IRQS', VFIO_IRQ_SET.size, VFIO_USER_MAX_MSG_FDS, setIrqs],
  ['REGION_READ', VFIO_USER_REGION_ACCESS.size, 0, regionRead],
  ['REGION_WRITE', VFIO_USER_REGION_ACCESS.size, 0, regionWrite],
  ['DEVICE_RESET', 0, 0, reset],
];

export const COMMAND_HANDLERS: ReadonlyMap<number, CommandHandler> = new Map(
  ROWS.map(([name, minPayload, maxFds, handle]) => [VFIO_USER[name], { name, minPayload, maxFds, handle }]),
);

function dmaMap({ target, payload, fds }: VfioRequest): VfioReply {
  const { argsz, flags, offset, address, size } = decode(VFIO_USER_DMA_MAP, payload);
  const known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  if (argsz < VFIO_USER_DMA_MAP.size || flags & ~known)
    throw new VfioError(EINVAL, 'DMA_MAP with unknown flags or too small an argsz');
  const writable = (flags & VFIO_DMA_MAP_FLAG_WRITE) !== 0;
  target.dma.map({ iova: address, size, offset, writable }, fds);
  return EMPTY;
}

function dmaUnmap({ target, payload }: VfioRequest): VfioReply {
  const { argsz, flags, address, size } = decode(VFIO_USER_DMA_UNMAP, payload);
  if (argsz < VFIO_USER_DMA_UNMAP.size || flags & ~VFIO_DMA_UNMAP_FLAG_ALL) {
    throw new VfioError(EINVAL, 'DMA_UNMAP with unknown flags or too small an argsz');
  }
  const all = (flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0;
  if (all && (address !== 0n || size !== 0n)) throw new VfioError(EINVAL, 'DMA_UNMAP of all with a range');
  const maps = all ? target.dma.maps : target.dma.find(address, size);
  target.dmaUnmapping(maps);
  target.dma.remove(maps);
  // The reply repeats the request's structure (vfio-user.rst, VFIO_USER_DMA_UNMAP).
  return { payload: bytesOf(payload, VFIO_USER_DMA_UNMAP.size) };
}

function getInfo({ payload }: VfioRequest): VfioReply {
  const { argsz } = decode(VFIO_DEVICE_INFO, payload);
  if (argsz < VFIO_DEVICE_INFO.size) throw new VfioError(EINVAL, 'GET_INFO with too small an argsz');
  const info = encode(VFIO_DEVICE_INFO, {
    argsz: VFIO_DEVICE_INFO.size,
    flags: VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
    num_regions: VFIO_PCI_NUM_REGIONS,
    num_irqs: VFIO_PCI_NUM_IRQS,
  });
  return { payload: bytesOf(info) };
}

function getRegionInfo({ target, payload }: VfioRequest): VfioReply {
  const { argsz, index } = decode(VFIO_REGION_INFO, payload);
  if (argsz < VFIO_REGION_INFO.size) throw new VfioError(EINVAL, 'GET_REGION_INFO with too small an argsz');
  if (index >= VFIO_PCI_NUM_REGIONS) throw new VfioError(EINVAL, `region ${index}`);
  const { size, writable, mappable } = target.describeRegion(index);
  const allowed = VFIO_REGION_INFO_FLAG_READ | (writable ? VFIO_REGION_INFO_FLAG_WRITE : 0);
  const access = size > 0n ? allowed : 0;
  if (!mappable) {
    return {
      payload: bytesOf(
        encode(VFIO_REGION_INFO, { argsz: VFIO_REGION_INFO.size, flags: access, index, size }),
      ),
    };
  }
  const area = VFIO_REGION_INFO.size + VFIO_REGION_INFO_CAP_SPARSE_MMAP.size;
  const needed = area + VFIO_REGION_SPARSE_MMAP_AREA.size;
  const flags = access | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
  const info = new DataView(new ArrayBuffer(needed));
  // Also set in the short reply: QEMU refuses a region with capabilities whose cap_offset is not within [32,
  // argsz].
  const cap_offset = VFIO_REGION_INFO.size;
  encode(VFIO_REGION_INFO, { argsz: needed, flags, index, cap_offset, size }, info);
  // The buffer is too small: the client learns the size and asks again (linux/vfio.h,
  // VFIO_DEVICE_GET_REGION_INFO).
  if (argsz < needed) return { payload: bytesOf(info, VFIO_REGION_INFO.size) };
  const sparse = { id: VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID, version: 1, nr_areas: 1 };
  encode(VFIO_REGION_INFO_CAP_SPARSE_MMAP, sparse, info, VFIO_REGION_INFO.size);
  encode(VFIO_REGION_SPARSE_MMAP_AREA, { offset: 0n, size: mappable.bytes }, info, area);
  return { payload: bytesOf(info), fds: [mappable.fd] };
}

/**
 * One eventfd per doorbell register, up to the number that the client accepts; the others are rung by
 * REGION_WRITE.
 */
function getRegionIoFds({ target, payload, clientMaxFds }: VfioRequest): VfioReply {
  const { argsz, flags, index } = decode(VFIO_USER_REGION_IO_FDS, payload);
  if (argsz < VFIO_USER_REGION_IO_FDS.size || flags !== 0)
    throw new VfioError(EINVAL, 'GET_REGION_IO_FDS with flags or too small an argsz');
  if (index >= VFIO_PCI_NUM_REGIONS) throw new VfioError(EINVAL, `region ${index}`);
  const eventfds = index === REGISTER_BAR ? target.notifyEventfds().slice(0, clientMaxFds) : [];
  const needed = VFIO_USER_REGION_IO_FDS.size + eventfds.length * VFIO_USER_SUB_REGION_IO_FD.size;
  const reply = new DataView(new ArrayBuffer(needed));
  encode(VFIO_USER_REGION_IO_FDS, { argsz: needed, index, count: eventfds.length }, reply);
  if (argsz < needed) return { payload: bytesOf(reply, VFIO_USER_REGION_IO_FDS.size) };
  for (const [i, { offset, bytes }] of eventfds.entries()) {
    const place = { offset: BigInt(offset), size: BigInt(bytes) };
    const entry = { ...place, fd_index: i, type: VFIO_USER_IO_FD_TYPE_IOEVENTFD };
    const at = VFIO_USER_REGION_IO_FDS.size + i * VFIO_USER_SUB_REGION_IO_FD.size;
    encode(VFIO_USER_SUB_REGION_IO_FD, entry, reply, at);
  }
  return { payload: bytesOf(reply), fds: eventfds.map(({ fd }) => fd) };
}

function getIrqInfo({ target, payload }: VfioRequest): VfioReply {
  const { argsz, index } = decode(VFIO_IRQ_INFO, payload);
  if (argsz < VFIO_IRQ_INFO.size) throw new VfioError(EINVAL, 'GET_IRQ_INFO with too small an argsz');
  if (index >= VFIO_PCI_NUM_IRQS) throw new VfioError(EINVAL, `interrupt index ${index}`);
  const flags = index === VFIO_PCI_MSIX_IRQ_INDEX ? VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE : 0;
  const info = { argsz: VFIO_IRQ_INFO.size, flags, index, count: target.irqs.count(index) };
  return { payload: bytesOf(encode(VFIO_IRQ_INFO, info)) };
}

function setIrqs({ target, payload, fds }: VfioRequest): VfioReply {
  target.irqs.set(payload, fds);
  return EMPTY;
}

function regionRead({ target, payload }: VfioRequest): VfioReply {
  const { region, offset, count } = checkAccess(target, payload);
  const data = target.readRegion(region, offset, count);
  const reply = new Uint8Array(VFIO_USER_REGION_ACCESS.size + count);
  reply.set(bytesOf(payload, VFIO_USER_REGION_ACCESS.size));
  reply.set(data, VFIO_USER_REGION_ACCESS.size);
  return { payload: reply };
}

function regionWrite({ target, payload }: VfioRequest): VfioReply {
  const { region, offset, count } = checkAccess(target, payload);
  if (payload.byteLength < VFIO_USER_REGION_ACCESS.size + count)
    throw new VfioError(EINVAL, 'a truncated REGION_WRITE');
  const data = new Uint8Array(payload.buffer, payload.byteOffset + VFIO_USER_REGION_ACCESS.size, count);
  target.writeRegion(region, offset, data);
  return { payload: bytesOf(payload, VFIO_USER_REGION_ACCESS.size) };
}

function reset({ target }: VfioRequest): VfioReply {
  target.reset();
  return EMPTY;
}

function checkAccess(
  target: VfioTarget,
  payload: DataView,
): { region: number; offset: number; count: number } {
  const { offset, region, count } = decode(VFIO_USER_REGION_ACCESS, payload);
  if (region >= VFIO_PCI_NUM_REGIONS) throw new VfioError(EINVAL, `region ${region}`);
  if (count === 0 || count > MAX_ACCESS_BYTES) throw new VfioError(EINVAL, `an access of ${count} bytes`);
  if (offset + BigInt(count) > target.regionSize(region))
    throw new VfioError(EINVAL, `an access beyond region ${region}`);
  return { region, offset: Number(offset), count };
}

function bytesOf(view: DataView, length = view.byteLength): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, length);
}
