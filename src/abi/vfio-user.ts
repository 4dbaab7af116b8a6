// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user protocol 0.0, QEMU docs/interop/vfio-user.rst; structures of linux/vfio.h.
import { at, type Layout } from './layout.ts';

export const VFIO_USER_HEADER = {
  name: 'vfio_user_header',
  source: 'vfio-user.rst, Header',
  size: 16,
  fields: {
    id: at(0, 'u16'),
    command: at(2, 'u16'),
    size: at(4, 'u32'),
    flags: at(8, 'u32'),
    error: at(12, 'u32'),
  },
} as const satisfies Layout;

export const VFIO_USER_F_TYPE_MASK = 0xf;
export const VFIO_USER_F_TYPE_COMMAND = 0;
export const VFIO_USER_F_TYPE_REPLY = 1;
export const VFIO_USER_F_NO_REPLY = 0x10;
export const VFIO_USER_F_ERROR = 0x20;

export const VFIO_USER = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
} as const;

/** VERSION payload: this header, then NUL-terminated JSON. */
export const VFIO_USER_VERSION = {
  name: 'vfio_user_version',
  source: 'vfio-user.rst, VFIO_USER_VERSION',
  size: 4,
  fields: { major: at(0, 'u16'), minor: at(2, 'u16') },
} as const satisfies Layout;

export const VFIO_USER_DMA_MAP = {
  name: 'vfio_user_dma_map',
  source: 'vfio-user.rst, VFIO_USER_DMA_MAP',
  size: 32,
  fields: {
    argsz: at(0, 'u32'),
    flags: at(4, 'u32'),
    offset: at(8, 'u64'),
    address: at(16, 'u64'),
    size: at(24, 'u64'),
  },
} as const satisfies Layout;

export const VFIO_DMA_MAP_FLAG_READ = 1;
export const VFIO_DMA_MAP_FLAG_WRITE = 2;

export const VFIO_USER_DMA_UNMAP = {
  name: 'vfio_user_dma_unmap',
  source: 'vfio-user.rst, VFIO_USER_DMA_UNMAP',
  size: 24,
  fields: { argsz: at(0, 'u32'), flags: at(4, 'u32'), address: at(8, 'u64'), size: at(16, 'u64') },
} as const satisfies Layout;

export const VFIO_DMA_UNMAP_FLAG_ALL = 2;

export const VFIO_DEVICE_INFO = {
  name: 'vfio_device_info',
  source: 'linux/vfio.h; vfio-user.rst, VFIO_USER_DEVICE_GET_INFO',
  size: 16,
  fields: { argsz: at(0, 'u32'), flags: at(4, 'u32'), num_regions: at(8, 'u32'), num_irqs: at(12, 'u32') },
} as const satisfies Layout;

export const VFIO_DEVICE_FLAGS_RESET = 1;
export const VFIO_DEVICE_FLAGS_PCI = 2;

export const VFIO_REGION_INFO = {
  name: 'vfio_region_info',
  source: 'linux/vfio.h; vfio-user.rst, VFIO_USER_DEVICE_GET_REGION_INFO',
  size: 32,
  fields: {
    argsz: at(0, 'u32'),
    flags: at(4, 'u32'),
    index: at(8, 'u32'),
    cap_offset: at(12, 'u32'),
    size: at(16, 'u64'),
    offset: at(24, 'u64'),
  },
} as const satisfies Layout;

export const VFIO_REGION_INFO_FLAG_READ = 1;
export const VFIO_REGION_INFO_FLAG_WRITE = 2;
export const VFIO_REGION_INFO_FLAG_MMAP = 4;
export const VFIO_REGION_INFO_FLAG_CAPS = 8;

/** Sparse mmap capability: this header, then nr_areas of {u64 offset; u64 size}. */
export const VFIO_REGION_INFO_CAP_SPARSE_MMAP = {
  name: 'vfio_region_info_cap_sparse_mmap',
  source: 'linux/vfio.h',
  size: 16,
  fields: {
    id: at(0, 'u16'),
    version: at(2, 'u16'),
    next: at(4, 'u32'),
    nr_areas: at(8, 'u32'),
    reserved: at(12, 'u32'),
  },
} as const satisfies Layout;

export const VFIO_REGION_SPARSE_MMAP_AREA = {
  name: 'vfio_region_sparse_mmap_area',
  source: 'linux/vfio.h',
  size: 16,
  fields: { offset: at(0, 'u64'), size: at(8, 'u64') },
} as const satisfies Layout;

export const VFIO_REGION_INFO_CAP_SPARSE_MMAP_ID = 1;

/** Region indices of a PCI device; BAR n is region n. */
export const VFIO_PCI_ROM_REGION_INDEX = 6;
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
export const VFIO_PCI_VGA_REGION_INDEX = 8;
export const VFIO_PCI_NUM_REGIONS = 9;

export const VFIO_PCI_INTX_IRQ_INDEX = 0;
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
export const VFIO_PCI_REQ_IRQ_INDEX = 4;
export const VFIO_PCI_NUM_IRQS = 5;

export const VFIO_IRQ_INFO = {
  name: 'vfio_irq_info',
  source: 'linux/vfio.h; vfio-user.rst, VFIO_USER_DEVICE_GET_IRQ_INFO',
  size: 16,
  fields: { argsz: at(0, 'u32'), flags: at(4, 'u32'), index: at(8, 'u32'), count: at(12, 'u32') },
} as const satisfies Layout;

export const VFIO_IRQ_INFO_EVENTFD = 1;
export const VFIO_IRQ_INFO_NORESIZE = 8;

export const VFIO_IRQ_SET = {
  name: 'vfio_irq_set',
  source: 'linux/vfio.h; vfio-user.rst, VFIO_USER_DEVICE_SET_IRQS',
  size: 20,
  fields: {
    argsz: at(0, 'u32'),
    flags: at(4, 'u32'),
    index: at(8, 'u32'),
    start: at(12, 'u32'),
    count: at(16, 'u32'),
  },
} as const satisfies Layout;

export const VFIO_IRQ_SET_DATA_NONE = 1;
export const VFIO_IRQ_SET_DATA_BOOL = 2;
export const VFIO_IRQ_SET_DATA_EVENTFD = 4;
export const VFIO_IRQ_SET_ACTION_MASK = 8;
export const VFIO_IRQ_SET_ACTION_UNMASK = 0x10;
export const VFIO_IRQ_SET_ACTION_TRIGGER = 0x20;

/** REGION_READ and REGION_WRITE header; the data follow. */
export const VFIO_USER_REGION_ACCESS = {
  name: 'vfio_user_region_access',
  source: 'vfio-user.rst, VFIO_USER_REGION_READ',
  size: 16,
  fields: { offset: at(0, 'u64'), region: at(8, 'u32'), count: at(12, 'u32') },
} as const satisfies Layout;

/** GET_REGION_IO_FDS: this header, then sub-regions. */
export const VFIO_USER_REGION_IO_FDS = {
  name: 'vfio_user_region_io_fds',
  source: 'vfio-user.rst, VFIO_USER_DEVICE_GET_REGION_IO_FDS',
  size: 16,
  fields: { argsz: at(0, 'u32'), flags: at(4, 'u32'), index: at(8, 'u32'), count: at(12, 'u32') },
} as const satisfies Layout;

export const VFIO_USER_SUB_REGION_IO_FD = {
  name: 'vfio_user_sub_region_ioeventfd',
  source: 'vfio-user.rst, VFIO_USER_DEVICE_GET_REGION_IO_FDS',
  size: 40,
  fields: {
    offset: at(0, 'u64'),
    size: at(8, 'u64'),
    fd_index: at(16, 'u32'),
    type: at(20, 'u32'),
    flags: at(24, 'u32'),
    padding: at(28, 'u32'),
    datamatch: at(32, 'u64'),
  },
} as const satisfies Layout;

export const VFIO_USER_IO_FD_TYPE_IOEVENTFD = 0;

/** In QEMU, replies must fit in the request's buffer, so both sides keep messages below this size. */
export const VFIO_USER_MAX_MESSAGE = 1 << 20;
export const VFIO_USER_MAX_MSG_FDS = 8;
