// SPDX-License-Identifier: BSD-3-Clause
// The parts of the kernel's VFIO (linux/vfio.h) that vfio-user lacks: ioctl numbers, the group and the type 1
// IOMMU. Common structures (device, region and interrupt information) are in vfio-user.ts.
import { at, type Layout } from './layout.ts';

export const VFIO_API_VERSION = 0;

/** IOMMU types for VFIO_CHECK_EXTENSION and VFIO_SET_IOMMU. */
export const VFIO_TYPE1v2_IOMMU = 3;
export const VFIO_NOIOMMU_IOMMU = 8;

/**
 * _IO(VFIO_TYPE ';', VFIO_BASE 100 + n): without direction and size, so the numbers are the same on every
 * machine.
 */
const request = (n: number): number => (0x3b << 8) | (100 + n);

export const VFIO_IOCTL = {
  VFIO_GET_API_VERSION: request(0),
  VFIO_CHECK_EXTENSION: request(1),
  VFIO_SET_IOMMU: request(2),
  VFIO_GROUP_GET_STATUS: request(3),
  VFIO_GROUP_SET_CONTAINER: request(4),
  VFIO_GROUP_GET_DEVICE_FD: request(6),
  VFIO_DEVICE_GET_INFO: request(7),
  VFIO_DEVICE_GET_REGION_INFO: request(8),
  VFIO_DEVICE_GET_IRQ_INFO: request(9),
  VFIO_DEVICE_SET_IRQS: request(10),
  VFIO_DEVICE_RESET: request(11),
  VFIO_IOMMU_MAP_DMA: request(13),
  VFIO_IOMMU_UNMAP_DMA: request(14),
} as const;

export const VFIO_GROUP_STATUS = {
  name: 'vfio_group_status',
  source: 'linux/vfio.h',
  size: 8,
  fields: { argsz: at(0, 'u32'), flags: at(4, 'u32', 'ro') },
} as const satisfies Layout;

/** All devices of the group are bound to VFIO (or to nothing). */
export const VFIO_GROUP_FLAGS_VIABLE = 1;

export const VFIO_IOMMU_TYPE1_DMA_MAP = {
  name: 'vfio_iommu_type1_dma_map',
  source: 'linux/vfio.h',
  size: 32,
  fields: {
    argsz: at(0, 'u32'),
    flags: at(4, 'u32'),
    vaddr: at(8, 'u64'),
    iova: at(16, 'u64'),
    size: at(24, 'u64'),
  },
} as const satisfies Layout;

export const VFIO_IOMMU_TYPE1_DMA_UNMAP = {
  name: 'vfio_iommu_type1_dma_unmap',
  source: 'linux/vfio.h',
  size: 24,
  fields: { argsz: at(0, 'u32'), flags: at(4, 'u32'), iova: at(8, 'u64'), size: at(16, 'u64') },
} as const satisfies Layout;
