// SPDX-License-Identifier: BSD-3-Clause
// The vhost-user protocol, QEMU docs/interop/vhost-user.rst.
import { at, type Layout } from './layout.ts';

export const VHOST_USER_HEADER = {
  name: 'vhost_user_header',
  source: 'vhost-user.rst, Message Specification',
  size: 12,
  fields: { request: at(0, 'u32'), flags: at(4, 'u32'), size: at(8, 'u32') },
} as const satisfies Layout;

export const VHOST_USER_VERSION = 1;
export const VHOST_USER_VERSION_MASK = 3;
export const VHOST_USER_REPLY_MASK = 1 << 2;
export const VHOST_USER_NEED_REPLY_MASK = 1 << 3;

/** Front-end requests. */
export const VHOST_USER = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SEND_RARP: 19,
  NET_SET_MTU: 20,
  SET_BACKEND_REQ_FD: 21,
  IOTLB_MSG: 22,
  SET_VRING_ENDIAN: 23,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  RESET_DEVICE: 34,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
} as const;

/** Bit of the virtio feature set that enables protocol feature negotiation. */
export const VHOST_USER_F_PROTOCOL_FEATURES = 30;

/** Protocol feature bit numbers. */
export const VHOST_USER_PROTOCOL_F_MQ = 0;
export const VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1;
export const VHOST_USER_PROTOCOL_F_RARP = 2;
export const VHOST_USER_PROTOCOL_F_REPLY_ACK = 3;
export const VHOST_USER_PROTOCOL_F_MTU = 4;
export const VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5;
export const VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13;
export const VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15;
export const VHOST_USER_PROTOCOL_F_STATUS = 16;

export const VHOST_USER_U64 = {
  name: 'vhost_user_u64',
  source: 'vhost-user.rst, A single 64-bit integer',
  size: 8,
  fields: { value: at(0, 'u64') },
} as const satisfies Layout;

export const VHOST_USER_VRING_STATE = {
  name: 'vhost_vring_state',
  source: 'vhost-user.rst, A vring state description',
  size: 8,
  fields: { index: at(0, 'u32'), num: at(4, 'u32') },
} as const satisfies Layout;

export const VHOST_USER_VRING_ADDR = {
  name: 'vhost_vring_addr',
  source: 'vhost-user.rst, A vring address description',
  size: 40,
  fields: {
    index: at(0, 'u32'),
    flags: at(4, 'u32'),
    descriptor: at(8, 'u64'),
    used: at(16, 'u64'),
    available: at(24, 'u64'),
    log: at(32, 'u64'),
  },
} as const satisfies Layout;

/** SET_MEM_TABLE: this header, then up to 8 regions. */
export const VHOST_USER_MEMORY = {
  name: 'vhost_user_memory',
  source: 'vhost-user.rst, Multiple Memory regions description',
  size: 8,
  fields: { num_regions: at(0, 'u32'), padding: at(4, 'u32') },
} as const satisfies Layout;

export const VHOST_USER_MEMORY_REGION = {
  name: 'vhost_user_memory_region',
  source: 'vhost-user.rst, Memory region description',
  size: 32,
  fields: {
    guest_phys_addr: at(0, 'u64'),
    memory_size: at(8, 'u64'),
    userspace_addr: at(16, 'u64'),
    mmap_offset: at(24, 'u64'),
  },
} as const satisfies Layout;

/** ADD_MEM_REG and REM_MEM_REG: u64 padding, then one region. */
export const VHOST_USER_MEM_REG_HEAD_BYTES = 8;
export const VHOST_USER_MAX_REGIONS = 8;
/** SET_VRING_KICK, CALL, ERR payload: bits 7:0 index, bit 8 "no descriptor attached". */
export const VHOST_USER_VRING_IDX_MASK = 0xff;
export const VHOST_USER_VRING_NOFD_MASK = 1 << 8;
/** Maximum payload of the messages that we accept. */
export const VHOST_USER_MAX_PAYLOAD = 4096;
