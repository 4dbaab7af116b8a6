// SPDX-License-Identifier: BSD-3-Clause
// A fake of the kernel's VFIO for one function backed by plain memory: /dev/vfio as files, ioctls as a
// function. It records the requests for a test to inspect.
import { openSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode, type Layout } from '../../src/abi/layout.ts';
import { VFIO_GROUP_STATUS, VFIO_IOCTL, VFIO_IOMMU_TYPE1_DMA_MAP } from '../../src/abi/vfio.ts';
import {
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_REGION_INFO,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_SPARSE_MMAP_AREA,
} from '../../src/abi/vfio-user.ts';
import type { Ioctl } from '../../src/bus/ioctl.ts';
import { native } from '../../src/native.ts';

const REGION_SHIFT = 40;
const NAMES = new Map(Object.entries(VFIO_IOCTL).map(([name, number]) => [number, name]));

export interface FakeRegion {
  readonly size: number;
  readonly flags: number;
  readonly sparse?: readonly { readonly offset: number; readonly size: number }[];
}

export class FakeVfio {
  /** The device's whole memory: region i at i << 40. Device descriptors handed to the driver are copies. */
  readonly memory = native.memfdCreate('fake-vfio', 2 ** REGION_SHIFT * 9, false);
  readonly calls: string[] = [];
  readonly dma = new Map<bigint, { vaddr: bigint; size: bigint }>();
  /** Eventfds by interrupt index. */
  readonly eventfds = new Map<number, number[]>();
  /** Fails the named ioctl with this code. */
  readonly failures = new Map<string, string>();
  regions: readonly FakeRegion[] = [];
  vectors = 4;
  viable = true;
  version = 0;
  extensions = [3];
  deviceFlags = 3;
  readonly #folder: string;

  /** `folder` plays /dev/vfio. */
  constructor(folder: string, groups: readonly string[]) {
    this.#folder = folder;
    for (const name of ['vfio', ...groups]) writeFileSync(join(folder, name), '');
  }

  /** A view of `length` bytes of a region. */
  view(region: number, length: number): { view: DataView; unmap: () => void } {
    const mapping = native.mapFd(this.memory, region * 2 ** REGION_SHIFT, length, true);
    return { view: new DataView(native.mappingBuffer(mapping)), unmap: () => native.unmap(mapping) };
  }

  close(): void {
    native.close(this.memory);
  }

  readonly ioctl: Ioctl = (fd, request, argument) => {
    const name = NAMES.get(request) ?? `0x${request.toString(16)}`;
    this.calls.push(name);
    const failure = this.failures.get(name);
    if (failure) throw Object.assign(new Error(`${failure}, ioctl`), { code: failure, syscall: 'ioctl' });
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    if (typeof argument === 'number') return this.#simple(name, argument);
    const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength);
    switch (name) {
      case 'VFIO_GROUP_GET_STATUS':
        put(VFIO_GROUP_STATUS, { argsz: 8, flags: this.viable ? 1 : 0 }, view);
        return 0;
      case 'VFIO_GROUP_SET_CONTAINER':
        if (readlinkSync(`/proc/self/fd/${argument.readInt32LE()}`) !== join(this.#folder, 'vfio'))
          throw new Error('Not a container');
        return 0;
      case 'VFIO_GROUP_GET_DEVICE_FD':
        return openSync(`/proc/self/fd/${this.memory}`, 'r+');
      case 'VFIO_DEVICE_GET_INFO':
        put(VFIO_DEVICE_INFO, { argsz: 16, flags: this.deviceFlags, num_regions: 9, num_irqs: 5 }, view);
        return 0;
      case 'VFIO_DEVICE_GET_REGION_INFO':
        this.#regionInfo(view);
        return 0;
      case 'VFIO_DEVICE_GET_IRQ_INFO': {
        const { index } = decode(VFIO_IRQ_INFO, view);
        const count = index === 2 ? this.vectors : index === 4 ? 1 : 0;
        put(VFIO_IRQ_INFO, { argsz: 16, flags: 9, index, count }, view);
        return 0;
      }
      case 'VFIO_DEVICE_SET_IRQS':
        this.#setIrqs(view);
        return 0;
      case 'VFIO_IOMMU_MAP_DMA': {
        const { iova, vaddr, size } = decode(VFIO_IOMMU_TYPE1_DMA_MAP, view);
        this.dma.set(iova, { vaddr, size });
        return 0;
      }
      case 'VFIO_IOMMU_UNMAP_DMA':
        this.dma.delete(view.getBigUint64(8, true));
        return 0;
      default:
        throw new Error(`No such ioctl: ${name} of ${path}`);
    }
  };

  #simple(name: string, argument: number): number {
    if (name === 'VFIO_GET_API_VERSION') return this.version;
    if (name === 'VFIO_CHECK_EXTENSION') return this.extensions.includes(argument) ? 1 : 0;
    return 0;
  }

  #regionInfo(view: DataView): void {
    const { index, argsz } = decode(VFIO_REGION_INFO, view);
    const { size = 0, flags = 0, sparse } = this.regions[index] ?? {};
    const head = VFIO_REGION_INFO.size;
    const needed = sparse
      ? head + VFIO_REGION_INFO_CAP_SPARSE_MMAP.size + sparse.length * VFIO_REGION_SPARSE_MMAP_AREA.size
      : head;
    const offset = BigInt(index) << BigInt(REGION_SHIFT);
    const values = { argsz: needed, flags, index, cap_offset: 0, size: BigInt(size), offset };
    if (sparse && argsz >= needed) {
      values.cap_offset = head;
      put(VFIO_REGION_INFO_CAP_SPARSE_MMAP, { id: 1, version: 1, nr_areas: sparse.length }, view, head);
      sparse.forEach((area, at) => {
        const base = head + VFIO_REGION_INFO_CAP_SPARSE_MMAP.size + at * VFIO_REGION_SPARSE_MMAP_AREA.size;
        put(
          VFIO_REGION_SPARSE_MMAP_AREA,
          { offset: BigInt(area.offset), size: BigInt(area.size) },
          view,
          base,
        );
      });
    }
    put(VFIO_REGION_INFO, values, view);
  }

  #setIrqs(view: DataView): void {
    const { index, count, flags } = decode(VFIO_IRQ_SET, view);
    const fds = Array.from({ length: count }, (_, at) => view.getInt32(VFIO_IRQ_SET.size + 4 * at, true));
    if ((flags & 1) !== 0) this.eventfds.delete(index);
    else this.eventfds.set(index, fds);
  }
}

function put<F extends Layout['fields']>(
  layout: Layout<F>,
  values: Parameters<typeof encode<F>>[1],
  view: DataView,
  base = 0,
): void {
  encode(layout, values, view, base);
}
