// SPDX-License-Identifier: BSD-3-Clause
// The kernel's VFIO, one method per ioctl (linux/vfio.h, Documentation/driver-api/vfio.rst). Errors are those
// of the system calls; the caller adds the failed action.
import { decode, type Layout } from '../abi/layout.ts';
import { VFIO_GROUP_FLAGS_VIABLE, VFIO_GROUP_STATUS, VFIO_IOCTL } from '../abi/vfio.ts';
import {
  VFIO_DEVICE_INFO,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_REGION_INFO,
} from '../abi/vfio-user.ts';
import { PmdError } from '../errors.ts';
import { cStruct, type Ioctl } from './ioctl.ts';
import { MAX_REGION_INFO_BYTES, parseRegionInfo, type RegionInfo } from './region-info.ts';

/** The structures in C's types and order; a test compares them with src/abi. */
export const VFIO_STRUCTS = {
  vfio_group_status: cStruct({ argsz: 'uint32', flags: 'uint32' }),
  vfio_device_info: cStruct({ argsz: 'uint32', flags: 'uint32', num_regions: 'uint32', num_irqs: 'uint32' }),
  vfio_region_info: cStruct({
    argsz: 'uint32',
    flags: 'uint32',
    index: 'uint32',
    cap_offset: 'uint32',
    size: 'uint64',
    offset: 'uint64',
  }),
  vfio_irq_info: cStruct({ argsz: 'uint32', flags: 'uint32', index: 'uint32', count: 'uint32' }),
  vfio_irq_set: cStruct({
    argsz: 'uint32',
    flags: 'uint32',
    index: 'uint32',
    start: 'uint32',
    count: 'uint32',
  }),
  vfio_iommu_type1_dma_map: cStruct({
    argsz: 'uint32',
    flags: 'uint32',
    vaddr: 'uint64',
    iova: 'uint64',
    size: 'uint64',
  }),
  vfio_iommu_type1_dma_unmap: cStruct({ argsz: 'uint32', flags: 'uint32', iova: 'uint64', size: 'uint64' }),
} as const;

export class VfioCalls {
  readonly #ioctl: Ioctl;

  constructor(ioctl: Ioctl) {
    this.#ioctl = ioctl;
  }

  apiVersion(container: number): number {
    return this.#ioctl(container, VFIO_IOCTL.VFIO_GET_API_VERSION, 0);
  }

  hasExtension(container: number, extension: number): boolean {
    return this.#ioctl(container, VFIO_IOCTL.VFIO_CHECK_EXTENSION, extension) > 0;
  }

  setIommu(container: number, type: number): void {
    this.#ioctl(container, VFIO_IOCTL.VFIO_SET_IOMMU, type);
  }

  groupViable(group: number): boolean {
    const { vfio_group_status: struct } = VFIO_STRUCTS;
    const bytes = struct.encode({ argsz: struct.size });
    this.#ioctl(group, VFIO_IOCTL.VFIO_GROUP_GET_STATUS, bytes);
    return (decodeBytes(VFIO_GROUP_STATUS, bytes).flags & VFIO_GROUP_FLAGS_VIABLE) !== 0;
  }

  setContainer(group: number, container: number): void {
    const fd = Buffer.alloc(4);
    fd.writeInt32LE(container);
    this.#ioctl(group, VFIO_IOCTL.VFIO_GROUP_SET_CONTAINER, fd);
  }

  /** The descriptor of the function at a PCI address. */
  deviceFd(group: number, address: string): number {
    return this.#ioctl(group, VFIO_IOCTL.VFIO_GROUP_GET_DEVICE_FD, Buffer.from(`${address}\0`, 'latin1'));
  }

  deviceInfo(device: number) {
    const { vfio_device_info: struct } = VFIO_STRUCTS;
    const bytes = struct.encode({ argsz: struct.size });
    this.#ioctl(device, VFIO_IOCTL.VFIO_DEVICE_GET_INFO, bytes);
    return decodeBytes(VFIO_DEVICE_INFO, bytes);
  }

  /** Information on a region with its capabilities. */
  regionInfo(device: number, index: number): RegionInfo {
    const { vfio_region_info: struct } = VFIO_STRUCTS;
    const bad = (what: string) =>
      new PmdError('VPCI_BAD_REPLY', `VFIO reports invalid information on region ${index}: ${what}`);
    // If the buffer is too small for the capabilities, the kernel writes the required size into argsz.
    let argsz = struct.size;
    for (let attempt = 0; attempt < 3; attempt++) {
      const bytes = Buffer.alloc(argsz);
      bytes.set(struct.encode({ argsz, index }));
      this.#ioctl(device, VFIO_IOCTL.VFIO_DEVICE_GET_REGION_INFO, bytes);
      const needed = decodeBytes(VFIO_REGION_INFO, bytes).argsz;
      if (needed <= argsz) return parseRegionInfo(index, viewOf(bytes), bad);
      if (needed > MAX_REGION_INFO_BYTES) throw bad(`${needed} bytes of information`);
      argsz = needed;
    }
    throw bad('its information keeps growing');
  }

  irqInfo(device: number, index: number) {
    const { vfio_irq_info: struct } = VFIO_STRUCTS;
    const bytes = struct.encode({ argsz: struct.size, index });
    this.#ioctl(device, VFIO_IOCTL.VFIO_DEVICE_GET_IRQ_INFO, bytes);
    return decodeBytes(VFIO_IRQ_INFO, bytes);
  }

  /** Attaches the eventfds to vectors 0, 1, … of interrupt `index`; -1 for none. */
  setEventfds(device: number, index: number, fds: readonly number[]): void {
    const { vfio_irq_set: struct } = VFIO_STRUCTS;
    const argsz = struct.size + 4 * fds.length;
    const bytes = Buffer.alloc(argsz);
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    bytes.set(struct.encode({ argsz, flags, index, start: 0, count: fds.length }));
    fds.forEach((fd, vector) => {
      bytes.writeInt32LE(fd, VFIO_IRQ_SET.size + 4 * vector);
    });
    this.#ioctl(device, VFIO_IOCTL.VFIO_DEVICE_SET_IRQS, bytes);
  }

  /** Disables all vectors of interrupt `index`. */
  disableIrqs(device: number, index: number): void {
    const { vfio_irq_set: struct } = VFIO_STRUCTS;
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    const bytes = struct.encode({ argsz: struct.size, flags, index, start: 0, count: 0 });
    this.#ioctl(device, VFIO_IOCTL.VFIO_DEVICE_SET_IRQS, bytes);
  }

  reset(device: number): void {
    this.#ioctl(device, VFIO_IOCTL.VFIO_DEVICE_RESET, 0);
  }

  /**
   * Maps memory of this process for the devices of the container; all three values are multiples of the page
   * size.
   */
  dmaMap(container: number, vaddr: bigint, iova: bigint, size: number): void {
    const { vfio_iommu_type1_dma_map: struct } = VFIO_STRUCTS;
    const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
    this.#ioctl(
      container,
      VFIO_IOCTL.VFIO_IOMMU_MAP_DMA,
      struct.encode({ argsz: struct.size, flags, vaddr, iova, size }),
    );
  }

  dmaUnmap(container: number, iova: bigint, size: number): void {
    const { vfio_iommu_type1_dma_unmap: struct } = VFIO_STRUCTS;
    this.#ioctl(
      container,
      VFIO_IOCTL.VFIO_IOMMU_UNMAP_DMA,
      struct.encode({ argsz: struct.size, flags: 0, iova, size }),
    );
  }
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function decodeBytes<F extends Layout['fields']>(layout: Layout<F>, bytes: Buffer) {
  return decode(layout, viewOf(bytes));
}
