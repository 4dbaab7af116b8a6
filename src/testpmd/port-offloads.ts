// SPDX-License-Identifier: BSD-3-Clause
// The offloads of ports, by the names and bits of rte_ethdev.h: what a port has of itself and always does,
// and what software does for it when it is asked.
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from '../ethdev/mempool.ts';
import type { Port } from '../ethdev/port.ts';
import type { CsumPlan } from './fwd/engine.ts';
import { csumPlan, type Settings } from './settings.ts';
import { RX_MODE_BITS, type RxModes, type SoftPort } from './soft-port.ts';

type Role = 'rx' | 'tx';

/** All of DPDK's: the commands know their names. */
const RX_BITS: Readonly<Record<string, number>> = {
  VLAN_STRIP: 0x1,
  IPV4_CKSUM: 0x2,
  UDP_CKSUM: 0x4,
  TCP_CKSUM: 0x8,
  TCP_LRO: 0x10,
  QINQ_STRIP: 0x20,
  OUTER_IPV4_CKSUM: 0x40,
  MACSEC_STRIP: 0x80,
  VLAN_FILTER: 0x200,
  VLAN_EXTEND: 0x400,
  SCATTER: 0x2000,
  TIMESTAMP: 0x4000,
  SECURITY: 0x8000,
  KEEP_CRC: 0x10000,
  SCTP_CKSUM: 0x20000,
  OUTER_UDP_CKSUM: 0x40000,
  RSS_HASH: 0x80000,
  BUFFER_SPLIT: 0x100000,
};
const TX_BITS: Readonly<Record<string, number>> = {
  VLAN_INSERT: 0x1,
  IPV4_CKSUM: 0x2,
  UDP_CKSUM: 0x4,
  TCP_CKSUM: 0x8,
  SCTP_CKSUM: 0x10,
  TCP_TSO: 0x20,
  UDP_TSO: 0x40,
  OUTER_IPV4_CKSUM: 0x80,
  QINQ_INSERT: 0x100,
  VXLAN_TNL_TSO: 0x200,
  GRE_TNL_TSO: 0x400,
  IPIP_TNL_TSO: 0x800,
  GENEVE_TNL_TSO: 0x1000,
  MACSEC_INSERT: 0x2000,
  MT_LOCKFREE: 0x4000,
  MULTI_SEGS: 0x8000,
  MBUF_FAST_FREE: 0x10000,
  SECURITY: 0x20000,
  SEND_ON_TIMESTAMP: 0x200000,
  OUTER_UDP_CKSUM: 0x400000,
};

/** The names that commands take. */
export const OFFLOAD_NAMES: Readonly<Record<Role, readonly string[]>> = {
  rx: Object.keys(RX_BITS).map((name) => name.toLowerCase()),
  tx: Object.keys(TX_BITS).map((name) => name.toLowerCase()),
};

export interface Offload {
  readonly name: string;
  readonly bit: number;
  readonly on: boolean;
  /** Absent where the port always does it. */
  readonly set?: (on: boolean) => void;
}

/** What a port can do, in the order of the bits. */
export function offloadsOf(settings: Settings, port: Port, role: Role): Offload[] {
  const offloads = role === 'rx' ? received(settings.soft.of(port)) : sent(settings, port);
  return offloads.sort((a, b) => a.bit - b.bit);
}

/** Software's, and packets of several segments, which every port receives. */
function received(soft: SoftPort): Offload[] {
  const modes = Object.entries(RX_MODE_BITS) as [keyof RxModes, number][];
  return [
    { name: 'SCATTER', bit: RX_BITS.SCATTER, on: true },
    ...modes.map(([mode, bit]) => ({
      name: nameOf(bit),
      bit,
      on: soft.modes[mode],
      set: (on: boolean) => {
        soft.modes[mode] = on;
      },
    })),
  ];
}

const nameOf = (bit: number) => Object.keys(RX_BITS).find((name) => RX_BITS[name] === bit) ?? '';

/** What the far side takes from the port, what its pool does, and software's. */
function sent(settings: Settings, port: Port): Offload[] {
  const has = (flag: number) => (port.txOffloads & flag) !== 0;
  const names = [
    ...(has(MBUF_F_NEEDS_CSUM) ? ['UDP_CKSUM', 'TCP_CKSUM'] : []),
    ...(has(MBUF_F_TSO4 | MBUF_F_TSO6) ? ['TCP_TSO'] : []),
    ...(has(MBUF_F_USO) ? ['UDP_TSO'] : []),
    'MULTI_SEGS',
    'MBUF_FAST_FREE',
  ];
  return [
    ...names.map((name) => ({ name, bit: TX_BITS[name], on: true })),
    ...(['ip', 'sctp', 'outerIp', 'outerUdp'] as const).map((layer) => computed(settings, port, layer)),
    inserted(settings.soft.of(port), 'VLAN_INSERT', 1),
    inserted(settings.soft.of(port), 'QINQ_INSERT', 2),
  ];
}

const COMPUTED = {
  ip: 'IPV4_CKSUM',
  sctp: 'SCTP_CKSUM',
  outerIp: 'OUTER_IPV4_CKSUM',
  outerUdp: 'OUTER_UDP_CKSUM',
} as const;

/** A checksum of mode csum, `csum set LAYER hw`. */
function computed(settings: Settings, port: Port, layer: keyof typeof COMPUTED): Offload {
  const name = COMPUTED[layer];
  const set = (on: boolean) => {
    const plan: CsumPlan = { ...csumPlan(settings, port.id), [layer]: on ? 'hw' : 'sw' };
    settings.csum.set(port.id, plan);
  };
  return { name, bit: TX_BITS[name], on: csumPlan(settings, port.id)[layer] === 'hw', set };
}

/** The tags of `tx_vlan set`, which are 0 until it names others. */
function inserted(soft: SoftPort, name: string, tags: number): Offload {
  return {
    name,
    bit: TX_BITS[name],
    on: soft.txTags.length === tags,
    set: (on) => {
      if (on === (soft.txTags.length === tags)) return;
      soft.txTags = on ? new Array<number>(tags).fill(0) : [];
    },
  };
}

/** The bits of what is on, besides what always is. */
export function chosenOffloads(settings: Settings, port: Port, role: Role): number {
  return maskOf(offloadsOf(settings, port, role).filter(({ on, set }) => on && set));
}

/** Whether a port may have these offloads: what it sends by depends on its peer, which may come later. */
export function everHas(settings: Settings, port: Port, role: Role, mask: number): boolean {
  const peers = role === 'tx' ? TX_BITS.UDP_CKSUM | TX_BITS.TCP_CKSUM | TX_BITS.TCP_TSO | TX_BITS.UDP_TSO : 0;
  return mask < 2 ** 32 && (mask & ~(maskOf(offloadsOf(settings, port, role)) | peers)) === 0;
}

export const maskOf = (offloads: readonly Offload[]): number =>
  offloads.reduce((mask, { bit }) => mask | bit, 0);

/** What rte_eth_dev_configure() says of an offload that the port does not have. */
export function offloadRefusal(settings: Settings, port: Port, role: Role, requested: number): string {
  const kind = role === 'rx' ? 'Rx' : 'Tx';
  const hex = (value: number) => `0x${value.toString(16)}`;
  return (
    `Ethdev port_id=${port.id} requested ${kind} offloads ${hex(requested)} doesn't match ` +
    `${kind} offloads capabilities ${hex(maskOf(offloadsOf(settings, port, role)))} in rte_eth_dev_configure()`
  );
}
