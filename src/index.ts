// SPDX-License-Identifier: BSD-3-Clause
// The public API.
export { allowMemoryFileSystems } from './bus/memory-files.ts';
export { openPort, type PortIds, ports, probePort } from './drivers/registry.ts';
export {
  ERROR_CODES,
  PmdError,
  type PmdErrorCode,
  type SystemCode,
  type VpciCode,
} from './errors.ts';
export type { InPlaceSlots, RxInPlace, TxInPlace } from './ethdev/in-place.ts';
export {
  MBUF_DEFAULT_DATA_ROOM,
  MBUF_DEFAULT_HEADROOM,
  MBUF_F_CSUM_VALID,
  MBUF_F_ECN,
  MBUF_F_NEEDS_CSUM,
  MBUF_F_TSO4,
  MBUF_F_TSO6,
  MBUF_F_USO,
  MBUF_NO_NEXT,
  type MbufVector,
  Mempool,
  type MempoolOptions,
} from './ethdev/mempool.ts';
export type {
  Port,
  PortConfig,
  PortEvent,
  PortInfo,
  PortLink,
  PortListener,
  PortStats,
  QueueSpec,
  Relay,
  RxInterrupt,
  RxQueue,
  TxQueue,
} from './ethdev/port.ts';
export type { LcoreContext, LcoreMain } from './lcore/context.ts';
export { launch } from './lcore/launch.ts';
export type { LaunchOptions, ModuleUrl } from './lcore/launch-options.ts';
export type { Lcore } from './lcore/lcore.ts';
export { type LcorePlace, parseCoremask, parseLcores } from './lcore/lcore-list.ts';
export type { Sleeper } from './lcore/sleeper.ts';
export {
  copyBytes,
  readInt32BE,
  readUint16BE,
  swapBytes,
  writeInt32BE,
  writeUint16BE,
} from './packet/bytes.ts';
export { internetChecksum, transportChecksum, updatedChecksum } from './packet/checksum.ts';
export { UDP_FRAME_HEADERS, type UdpFlow, udpFrameHeaders } from './packet/frames.ts';
export {
  ARP,
  ETHER,
  ICMP,
  IPV4,
  ipv4HeaderLength,
  isArp,
  isFragment,
  networkHeader,
  UDP,
} from './packet/headers.ts';
export { ipv4Number, ipv4Text } from './packet/ipv4.ts';
export { macBytes } from './packet/mac.ts';
export { type Pdump, type PdumpOptions, pdumpInit } from './pdump/pdump.ts';
export { exitProcess } from './process-end.ts';
