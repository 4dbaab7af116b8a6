// SPDX-License-Identifier: BSD-3-Clause
// The configuration space of the RFC 2.0 function: the virtio structures, the window through which every BAR
// register can be reached (VIRTIO 1.2, 4.1.4.9), and the regions of the peer's memory.
import { encode } from '../../../src/abi/layout.ts';
import { PCI_CAP_ID_VNDR } from '../../../src/abi/pci.ts';
import {
  VHOST_PCI_REGION_PEER_MEMORY,
  VHOST_PCI_REGION_READ,
  VHOST_PCI_REGION_WRITE,
} from '../../../src/abi/section.ts';
import { VHOST_PCI_CLASS, VHOST_PCI_DEVICE_ID, VHOST_PCI_MEMORY_BARS } from '../../../src/abi/vhost-pci.ts';
import {
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_CFG_CAP,
  VIRTIO_PCI_NOTIFY_CAP,
  VIRTIO_PCI_VENDOR_ID,
} from '../../../src/abi/virtio-pci.ts';
import {
  COMMON_OFFSET,
  DEVICE_OFFSET,
  ISR_OFFSET,
  MSIX_BAR,
  MSIX_BAR_BYTES,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  REGISTER_BAR,
  REGISTER_BAR_BYTES,
  STRUCTURE_BYTES,
} from './bars.ts';
import { type Bar, type CapabilityImage, ConfigSpace } from './config-space.ts';
import { regionCapability } from './region-capability.ts';

export interface PciConfigOptions {
  readonly subsystemId: number;
  /** MSI-X vectors. */
  readonly vectors: number;
  /** Size of a memory BAR; 0 when the BAR is absent. */
  barBytes(bar: number): bigint;
  /** Bytes of memory in a memory BAR, which may be fewer than the BAR has. */
  memoryBytes(bar: number): bigint;
  /** Access through the window; null where there is nothing. */
  windowRead(bar: number, offset: number, length: number): Uint8Array | null;
  windowWrite(bar: number, offset: number, data: Uint8Array): void;
}

const REVISION_ID = 1;
/** The window is the last of the virtio capabilities. */
const WINDOW_INDEX = 4;

export class PciConfig {
  readonly #options: PciConfigOptions;
  readonly #space: ConfigSpace;
  readonly #windowAt: number;

  constructor(options: PciConfigOptions) {
    this.#options = options;
    const identity = {
      vendor: VIRTIO_PCI_VENDOR_ID,
      device: VHOST_PCI_DEVICE_ID,
      revision: REVISION_ID,
      classCode: VHOST_PCI_CLASS,
      subsystemVendor: VIRTIO_PCI_VENDOR_ID,
      subsystem: options.subsystemId,
    };
    const { vectors } = options;
    const capabilities = [...virtioCapabilities(), ...memoryRegions(options)];
    this.#space = new ConfigSpace({ identity, vectors, bars: bars(options), capabilities });
    this.#windowAt = this.#space.capabilityAt(WINDOW_INDEX);
  }

  /** See ConfigSpace.reset. */
  reset(): void {
    this.#space.reset();
  }

  /** Bytes `[offset, + count)`, which must lie inside the configuration space. */
  read(offset: number, count: number): Uint8Array {
    if (this.#touchesWindow(offset, count)) this.#readWindow();
    return this.#space.read(offset, count);
  }

  /** Changes only the writable bits. */
  write(offset: number, data: Uint8Array): void {
    this.#space.write(offset, data);
    if (this.#touchesWindow(offset, data.length)) this.#writeWindow();
  }

  #window(): { bar: number; offset: number; length: number } | null {
    const { bar, offset, length } = VIRTIO_PCI_CFG_CAP.fields;
    const { view } = this.#space;
    const bytes = view.getUint32(this.#windowAt + length.offset, true);
    if (bytes !== 1 && bytes !== 2 && bytes !== 4) return null;
    return {
      bar: view.getUint8(this.#windowAt + bar.offset),
      offset: view.getUint32(this.#windowAt + offset.offset, true),
      length: bytes,
    };
  }

  #readWindow(): void {
    const window = this.#window();
    const data = window && this.#options.windowRead(window.bar, window.offset, window.length);
    if (data) this.#windowData(data.length).set(data);
  }

  #writeWindow(): void {
    const window = this.#window();
    if (!window) return;
    this.#options.windowWrite(window.bar, window.offset, this.#windowData(window.length).slice());
  }

  #windowData(length: number): Uint8Array {
    const at = this.#windowAt + VIRTIO_PCI_CFG_CAP.fields.pci_cfg_data.offset;
    return new Uint8Array(this.#space.view.buffer, at, length);
  }

  #touchesWindow(offset: number, count: number): boolean {
    const at = this.#windowAt + VIRTIO_PCI_CFG_CAP.fields.pci_cfg_data.offset;
    return offset < at + 4 && offset + count > at;
  }
}

function bars({ barBytes }: PciConfigOptions): Bar[] {
  return [
    { index: REGISTER_BAR, wide: false, size: () => BigInt(REGISTER_BAR_BYTES) },
    { index: MSIX_BAR, wide: false, size: () => BigInt(MSIX_BAR_BYTES) },
    ...VHOST_PCI_MEMORY_BARS.map((index) => ({ index, wide: true, size: () => barBytes(index) })),
  ];
}

function memoryRegions({ memoryBytes }: PciConfigOptions): CapabilityImage[] {
  const kind = VHOST_PCI_REGION_PEER_MEMORY;
  const permissions = VHOST_PCI_REGION_READ | VHOST_PCI_REGION_WRITE;
  return VHOST_PCI_MEMORY_BARS.map((bar) =>
    regionCapability({ bar, kind, permissions, offset: 0n, size: () => memoryBytes(bar) }),
  );
}

function virtioCapabilities(): CapabilityImage[] {
  const structure = (cfg_type: number, offset: number) => ({
    ...{ cap_vndr: PCI_CAP_ID_VNDR, cap_len: VIRTIO_PCI_CAP.size, cfg_type },
    ...{ bar: REGISTER_BAR, offset, length: STRUCTURE_BYTES },
  });
  const notify = {
    ...structure(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET),
    cap_len: VIRTIO_PCI_NOTIFY_CAP.size,
    notify_off_multiplier: NOTIFY_MULTIPLIER,
  };
  const window = {
    cap_vndr: PCI_CAP_ID_VNDR,
    cap_len: VIRTIO_PCI_CFG_CAP.size,
    cfg_type: VIRTIO_PCI_CAP_PCI_CFG,
  };
  return [
    { bytes: encode(VIRTIO_PCI_CAP, structure(VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET)) },
    { bytes: encode(VIRTIO_PCI_NOTIFY_CAP, notify) },
    { bytes: encode(VIRTIO_PCI_CAP, structure(VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET)) },
    { bytes: encode(VIRTIO_PCI_CAP, structure(VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFFSET)) },
    { bytes: encode(VIRTIO_PCI_CFG_CAP, window), writable: windowWrites() },
  ];
}

/** The window's BAR, offset, length and data. */
function windowWrites(): (readonly [number, number])[] {
  const { bar, offset, length, pci_cfg_data } = VIRTIO_PCI_CFG_CAP.fields;
  const words = [offset, length, pci_cfg_data].flatMap((field) => [0, 1, 2, 3].map((i) => field.offset + i));
  return [bar.offset, ...words].map((at) => [at, 0xff] as const);
}
