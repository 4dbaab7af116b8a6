// SPDX-License-Identifier: BSD-3-Clause
// The messages that set, extend and reduce the peer's memory table.
import { decode } from '../../../src/abi/layout.ts';
import {
  VHOST_USER_MAX_REGIONS,
  VHOST_USER_MEM_REG_HEAD_BYTES,
  VHOST_USER_MEMORY,
  VHOST_USER_MEMORY_REGION,
} from '../../../src/abi/vhost-user.ts';
import { formatByteSize } from '../../../src/byte-size.ts';
import { distinctFiles } from './bar-layout.ts';
import { MemoryTable, type RegionMessage } from './memory-table.ts';
import type { PeerHost, Request } from './message.ts';
import type { ConnectedPeer } from './peer.ts';
import { ProtocolError } from './protocol-error.ts';

/** GET_MAX_MEM_SLOTS: as many regions as a control queue message of docs/device-abi.md holds. */
export const MAX_MEM_SLOTS = 16;

const REGION = VHOST_USER_MEMORY_REGION.size;

export async function setMemTable({ peer, host, payload, fds }: Request): Promise<void> {
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
  if (fds.length !== count)
    throw new ProtocolError(`${fds.length} descriptors for ${count} ${count === 1 ? 'region' : 'regions'}`);
  const messages = Array.from({ length: count }, (_, i) =>
    decode(VHOST_USER_MEMORY_REGION, payload, VHOST_USER_MEMORY.size + i * REGION),
  );
  await replaceMemory(peer, host, MemoryTable.add(MemoryTable.empty, messages, fds), fds);
}

export async function addMemReg({ peer, host, payload, fds }: Request): Promise<void> {
  if (peer.memory.regions.length >= MAX_MEM_SLOTS)
    throw new ProtocolError(`more than ${MAX_MEM_SLOTS} memory regions`);
  await replaceMemory(peer, host, MemoryTable.add(peer.memory, [memReg(payload)], fds), fds);
}

export async function remMemReg({ peer, host, payload }: Request): Promise<void> {
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
