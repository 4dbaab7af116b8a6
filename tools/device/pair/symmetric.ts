// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci 2.1 (docs/device-abi.md, "RFC 2.1"): two functions whose drivers share a small memory of ours. A
// side is the part of the memory that its driver writes: both sides in one BAR, or, unidirectional, a BAR
// each, of which the peer's can only be read.
import {
  SECTION_HEADER,
  SECTION_STATE_RESET,
  SECTION_VECTOR_STATE,
  VHOST_PCI_REGION_OWN_SIDE,
  VHOST_PCI_REGION_PEER_SIDE,
  VHOST_PCI_REGION_READ,
  VHOST_PCI_REGION_WRITE,
} from '../../../src/abi/section.ts';
import {
  VHOST_PCI_CLASS,
  VHOST_PCI_DEVICE_ID,
  VHOST_PCI_SUBSYSTEM_ID,
  VHOST_PCI_SYMMETRIC_REGISTERS,
  VHOST_PCI_SYMMETRIC_REVISION,
  VHOST_PCI_SYMMETRIC_VERSION,
  vhostPciSymmetricDoorbell,
} from '../../../src/abi/vhost-pci.ts';
import { VIRTIO_PCI_VENDOR_ID } from '../../../src/abi/virtio-pci.ts';
import type { Device } from '../device.ts';
import type { BarMemory } from '../function/memory-function.ts';
import { type Region, regionCapability } from '../function/region-capability.ts';
import { RegisterTable } from '../function/register-table.ts';
import { SharedFile } from './memory.ts';
import { FunctionPair, type PairOptions, type PairSettings, pairSettings, type Side } from './pair.ts';

export interface SymmetricOptions extends PairOptions {
  /** A BAR for each side, of which the peer's is read-only. */
  readonly unidirectional?: boolean;
}

const OWN_BAR = 2;
const PEER_BAR = 4;
const READ = VHOST_PCI_REGION_READ;
const READ_WRITE = VHOST_PCI_REGION_READ | VHOST_PCI_REGION_WRITE;

/** The memory as one of the functions shows it. */
interface View {
  readonly bars: ReadonlyMap<number, BarMemory>;
  readonly regions: readonly Region[];
  /** Tells the peer that this side has no driver any more. */
  resetState(): void;
}

/** Starts the device on this thread's event loop. Throws PmdError for an invalid option or socket path. */
export function createSymmetricDevice(options: SymmetricOptions): Device {
  const settings = pairSettings(options);
  const { files, views } = options.unidirectional ? twoFiles(settings.bytes) : oneFile(settings.bytes);
  return new FunctionPair(options, files, (side, id) => sideFunction(side, views[id], settings));
}

function sideFunction(side: Side, view: View, { vectors }: PairSettings) {
  const rung = Array.from({ length: vectors }, (_, vector) => ({
    offset: vhostPciSymmetricDoorbell(vector),
    ring: () => side.other.raise(vector),
  }));
  const { size, fields } = VHOST_PCI_SYMMETRIC_REGISTERS;
  const table = [
    { offset: fields.version.offset, read: () => VHOST_PCI_SYMMETRIC_VERSION },
    { offset: fields.vectors.offset, read: () => vectors },
    { offset: fields.peer.offset, read: () => (side.other.connected ? 1 : 0) },
    ...rung.map(({ offset, ring }) => ({ offset, write: ring })),
  ];
  return {
    identity: {
      vendor: VIRTIO_PCI_VENDOR_ID,
      device: VHOST_PCI_DEVICE_ID,
      revision: VHOST_PCI_SYMMETRIC_REVISION,
      classCode: VHOST_PCI_CLASS,
      subsystemVendor: VIRTIO_PCI_VENDOR_ID,
      subsystem: VHOST_PCI_SUBSYSTEM_ID,
    },
    vectors,
    capabilities: view.regions.map(regionCapability),
    registers: new RegisterTable(size, table, [1, 2, 4]),
    memory: view.bars,
    doorbells: rung.map((doorbell) => ({ ...doorbell, bytes: 4 as const })),
    reset: () => {
      view.resetState();
      side.other.raise(SECTION_VECTOR_STATE);
    },
    peerChanged: () => side.raise(SECTION_VECTOR_STATE),
  };
}

interface Memory {
  readonly files: readonly SharedFile[];
  readonly views: readonly [View, View];
}

/** Both sides in one BAR. Whoever has it may write all of it. */
function oneFile(bytes: number): Memory {
  const file = new SharedFile('vhost-pci-sides', bytes);
  const half = bytes / 2;
  const view = (own: number, peer: number): View => ({
    bars: new Map([[OWN_BAR, { file: file.file, writable: true }]]),
    regions: [
      region(OWN_BAR, VHOST_PCI_REGION_OWN_SIDE, READ_WRITE, own, half),
      region(OWN_BAR, VHOST_PCI_REGION_PEER_SIDE, READ_WRITE, peer, half),
    ],
    resetState: stateReset(file, own),
  });
  return { files: [file], views: [view(0, half), view(half, 0)] };
}

/** A file for each side, which the other side's driver is given opened for reading only. */
function twoFiles(bytes: number): Memory {
  const half = bytes / 2;
  const sides = [0, 1].map((id) => new SharedFile(`vhost-pci-side-${id}`, half)) as [SharedFile, SharedFile];
  const view = (own: SharedFile, peer: SharedFile): View => ({
    bars: new Map([
      [OWN_BAR, { file: own.file, writable: true }],
      [PEER_BAR, { file: peer.readOnly, writable: false }],
    ]),
    regions: [
      region(OWN_BAR, VHOST_PCI_REGION_OWN_SIDE, READ_WRITE, 0, half),
      region(PEER_BAR, VHOST_PCI_REGION_PEER_SIDE, READ, 0, half),
    ],
    resetState: stateReset(own, 0),
  });
  const [a, b] = sides;
  return { files: sides, views: [view(a, b), view(b, a)] };
}

const region = (bar: number, kind: number, permissions: number, offset: number, size: number): Region => ({
  ...{ bar, kind, permissions, offset: BigInt(offset) },
  size: () => BigInt(size),
});

function stateReset(file: SharedFile, offset: number): () => void {
  const page = file.page(offset);
  return () => page.write(SECTION_HEADER.fields.state.offset, SECTION_STATE_RESET);
}
