// SPDX-License-Identifier: BSD-3-Clause
// testpmd's texts about queues and offloads.
import type { Port } from '../../ethdev/port.ts';
import type { Offload } from '../port-offloads.ts';
import type { Role } from '../soft-port.ts';
import { left } from './port-text.ts';

const STARS = '*'.repeat(21);

/** What is not the port's own. */
export interface QueueState {
  readonly started: boolean;
  readonly deferred: boolean;
  readonly descriptors: number;
}

/** `show rxq info` and `show txq info`. */
export function queueInfoText(port: Port, role: Role, queue: number, state: QueueState): string {
  const rx = role === 'rx';
  const name = rx ? 'RX' : 'TX';
  const thresholds = ['prefetch', 'host', 'writeback', ...(rx ? [] : ['RS']), 'free'];
  const [first, last] = [
    `${rx ? 'Rx' : 'Tx'} queue state: ${state.started ? 'started' : 'stopped'}`,
    `Number of ${name}Ds: ${state.descriptors}`,
  ];
  return [
    `\n${STARS} Infos for port ${left(port.id, 2)}, ${name} queue ${left(queue, 2)} ${STARS}`,
    ...(rx ? ['Mempool: mb_pool_0'] : []),
    ...thresholds.map((threshold) => `${name} ${threshold} threshold: 0`),
    ...(rx ? ['RX drop packets: off'] : []),
    `${name} deferred start: ${state.deferred ? 'on' : 'off'}`,
    ...(rx ? ['RX scattered packets: on', first, last] : [last, first]),
  ].join('\n');
}

/** `show port N rx_offload capabilities`. */
export function offloadCapabilitiesText(port: Port, role: Role, offloads: readonly Offload[]): string {
  return [
    `${role === 'rx' ? 'Rx' : 'Tx'} Offloading Capabilities of port ${port.id} :`,
    '  Per Queue :',
    `  Per Port  :${names(offloads)}\n`,
  ].join('\n');
}

/** `show port N rx_offload configuration`. */
export function offloadConfigurationText(port: Port, role: Role, offloads: readonly Offload[]): string {
  const on = names(offloads.filter((offload) => offload.on));
  const queues = role === 'rx' ? port.config.rxQueues : port.config.txQueues;
  return [
    `${role === 'rx' ? 'Rx' : 'Tx'} Offloading Configuration of port ${port.id} :`,
    `  Port :${on}`,
    ...Array.from({ length: queues }, (_, queue) => `  Queue[${String(queue).padStart(2)}] :${on}`),
  ]
    .join('\n')
    .concat('\n');
}

const names = (offloads: readonly Offload[]) => offloads.map(({ name }) => ` ${name}`).join('');
