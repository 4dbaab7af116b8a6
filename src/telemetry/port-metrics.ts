// SPDX-License-Identifier: BSD-3-Clause
// The page of OpenMetrics: every open port's counters. Names and units are as the format wants them: a
// counter ends in _total, and each family is described once.
import { ports } from '../drivers/registry.ts';
import type { Port, PortStats } from '../ethdev/port.ts';

const COUNTERS: readonly (readonly [name: string, key: keyof PortStats, help: string])[] = [
  ['dpdk_port_rx_packets', 'ipackets', 'Packets received.'],
  ['dpdk_port_tx_packets', 'opackets', 'Packets sent.'],
  ['dpdk_port_rx_bytes', 'ibytes', 'Bytes received.'],
  ['dpdk_port_tx_bytes', 'obytes', 'Bytes sent.'],
  ['dpdk_port_rx_missed', 'imissed', 'Packets lost because no queue accepted them.'],
  ['dpdk_port_rx_errors', 'ierrors', 'Packets received that were invalid.'],
  ['dpdk_port_tx_errors', 'oerrors', 'Packets accepted and dropped.'],
  ['dpdk_port_rx_nombuf', 'rxNombuf', 'Packets not received because the pool was empty.'],
];

const quoted = (value: string): string =>
  `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
const labels = (port: Port, more = ''): string => `{port="${port.id}",name=${quoted(port.info.name)}${more}}`;

function family(name: string, type: string, help: string, samples: readonly string[]): string[] {
  return samples.length === 0 ? [] : [`# TYPE ${name} ${type}`, `# HELP ${name} ${help}`, ...samples];
}

/** What an application knows besides; where it knows nothing, the drivers are asked. */
export interface MetricsHost {
  xstats?(port: Port): ReadonlyMap<string, number>;
  /** Figures of a port, or of the process. */
  metrics?(port: Port | null): readonly { readonly name: string; readonly value: number }[];
}

/** The page as it is now. */
export function portMetrics(host: MetricsHost = {}, open: readonly Port[] = ports()): string {
  const all = open.map((port) => ({
    port,
    stats: port.stats(),
    link: port.link(),
    xstats: host.xstats?.(port) ?? port.xstats(),
  }));
  const figures = (port: Port | null) =>
    (host.metrics?.(port) ?? []).map(({ name, value }) =>
      port
        ? `dpdk_metric${labels(port, `,metric=${quoted(name)}`)} ${value}`
        : `dpdk_metric{metric=${quoted(name)}} ${value}`,
    );
  return [
    ...COUNTERS.flatMap(([name, key, help]) =>
      family(
        name,
        'counter',
        help,
        all.map(({ port, stats }) => `${name}_total${labels(port)} ${stats[key]}`),
      ),
    ),
    ...family(
      'dpdk_port_link_up',
      'gauge',
      'Whether packets can pass.',
      all.map(({ port, link }) => `dpdk_port_link_up${labels(port)} ${Number(link.up)}`),
    ),
    ...family(
      'dpdk_port_xstat',
      'unknown',
      'Extended statistics under their names in DPDK.',
      all.flatMap(({ port, xstats }) =>
        [...xstats].map(
          ([name, value]) => `dpdk_port_xstat${labels(port, `,xstat=${quoted(name)}`)} ${value}`,
        ),
      ),
    ),
    ...family('dpdk_metric', 'gauge', 'Bit rates of ports, and latencies, under their names in DPDK.', [
      ...open.flatMap(figures),
      ...figures(null),
    ]),
    '# EOF\n',
  ].join('\n');
}
