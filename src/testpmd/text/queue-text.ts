// SPDX-License-Identifier: BSD-3-Clause
// testpmd's texts about queues and offloads.
import { MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, MBUF_F_TSO6, MBUF_F_USO } from '../../ethdev/mempool.ts';
import type { Port } from '../../ethdev/port.ts';
import type { SoftPort } from '../soft-port.ts';
import { left } from './port-text.ts';

const STARS = '*'.repeat(21);

/** `show rxq info` and `show txq info`. */
export function queueInfoText(port: Port, role: 'rx' | 'tx', queue: number, soft: SoftPort): string {
  const rx = role === 'rx';
  const state = port.started && !soft.isStopped(role, queue) ? 'started' : 'stopped';
  const own = rx ? port.config.rxQueues : port.config.txQueues;
  const name = rx ? 'RX' : 'TX';
  const thresholds = ['prefetch', 'host', 'writeback', ...(rx ? [] : ['RS']), 'free'];
  const [first, last] = [
    `${rx ? 'Rx' : 'Tx'} queue state: ${state}`,
    // A software queue has no ring of its own.
    `Number of ${name}Ds: ${queue < own ? port.descriptors(role, queue) : 0}`,
  ];
  return [
    `\n${STARS} Infos for port ${left(port.id, 2)}, ${name} queue ${left(queue, 2)} ${STARS}`,
    ...(rx ? ['Mempool: mb_pool_0'] : []),
    ...thresholds.map((threshold) => `${name} ${threshold} threshold: 0`),
    ...(rx ? ['RX drop packets: off'] : []),
    `${name} deferred start: ${soft.isDeferred(role, queue) ? 'on' : 'off'}`,
    ...(rx ? ['RX scattered packets: on', first, last] : [last, first]),
  ].join('\n');
}

/** Bits of rte_ethdev.h, of the offloads that a port always has. */
export interface Offload {
  readonly name: string;
  readonly bit: number;
}

const RX_BITS = { SCATTER: 0x2000 } as const;
const TX_BITS = {
  UDP_CKSUM: 0x4,
  TCP_CKSUM: 0x8,
  TCP_TSO: 0x20,
  UDP_TSO: 0x40,
  MULTI_SEGS: 0x8000,
  MBUF_FAST_FREE: 0x10000,
} as const;

/**
 * What a port does without being asked: it takes packets of several segments both ways and frees mbufs by the
 * pool; and what its far side takes from it.
 */
export function offloadsOf(port: Port, role: 'rx' | 'tx'): Offload[] {
  if (role === 'rx') return [{ name: 'SCATTER', bit: RX_BITS.SCATTER }];
  const { txOffloads } = port;
  const has = (flag: number) => (txOffloads & flag) !== 0;
  const names: (keyof typeof TX_BITS)[] = [
    ...(has(MBUF_F_NEEDS_CSUM) ? (['UDP_CKSUM', 'TCP_CKSUM'] as const) : []),
    ...(has(MBUF_F_TSO4 | MBUF_F_TSO6) ? (['TCP_TSO'] as const) : []),
    ...(has(MBUF_F_USO) ? (['UDP_TSO'] as const) : []),
    'MULTI_SEGS',
    'MBUF_FAST_FREE',
  ];
  return names.map((name) => ({ name, bit: TX_BITS[name] }));
}

/** Whether a port may have these offloads: what it sends by depends on its peer, which may come later. */
export function everHas(port: Port, role: 'rx' | 'tx', mask: number): boolean {
  const bits = role === 'tx' ? Object.values(TX_BITS) : offloadsOf(port, role).map(({ bit }) => bit);
  const has = bits.reduce((all, bit) => all | bit, 0);
  return mask < 2 ** 32 && (mask & ~has) === 0;
}

const maskOf = (offloads: readonly Offload[]) => offloads.reduce((mask, { bit }) => mask | bit, 0);

/** `show port N rx_offload capabilities`. */
export function offloadCapabilitiesText(port: Port, role: 'rx' | 'tx'): string {
  const names = offloadsOf(port, role).map(({ name }) => ` ${name}`);
  return [
    `${role === 'rx' ? 'Rx' : 'Tx'} Offloading Capabilities of port ${port.id} :`,
    '  Per Queue :',
    `  Per Port  :${names.join('')}\n`,
  ].join('\n');
}

/** `show port N rx_offload configuration`. */
export function offloadConfigurationText(port: Port, role: 'rx' | 'tx'): string {
  const names = offloadsOf(port, role).map(({ name }) => ` ${name}`);
  const queues = role === 'rx' ? port.config.rxQueues : port.config.txQueues;
  return [
    `${role === 'rx' ? 'Rx' : 'Tx'} Offloading Configuration of port ${port.id} :`,
    `  Port :${names.join('')}`,
    ...Array.from(
      { length: queues },
      (_, queue) => `  Queue[${String(queue).padStart(2)}] :${names.join('')}`,
    ),
  ]
    .join('\n')
    .concat('\n');
}

/** What rte_eth_dev_configure() says of an offload that the port does not have. */
export function offloadRefusal(port: Port, role: 'rx' | 'tx', requested: number): string {
  const kind = role === 'rx' ? 'Rx' : 'Tx';
  const hex = (value: number) => `0x${value.toString(16)}`;
  return (
    `Ethdev port_id=${port.id} requested ${kind} offloads ${hex(requested)} doesn't match ` +
    `${kind} offloads capabilities ${hex(maskOf(offloadsOf(port, role)))} in rte_eth_dev_configure()`
  );
}
