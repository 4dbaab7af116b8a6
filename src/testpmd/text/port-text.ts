// SPDX-License-Identifier: BSD-3-Clause
// testpmd's port texts. Widths, blanks and borders are a contract, because scripts match them.

import type { Port, PortLink, PortStats } from '../../ethdev/port.ts';
import { RETA_SIZE } from '../../offload/rss.ts';
import { RSS_KEY_LENGTH } from '../../offload/toeplitz.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { modeTitle } from '../fwd/traffic.ts';
import { chosenOffloads, maskOf, offloadsOf } from '../port-offloads.ts';
import { ringSize } from '../ring-sizes.ts';
import type { Settings } from '../settings.ts';
import { MAX_MACS, type Role, type SoftPort, type SoftPorts } from '../soft-port.ts';
import { supportedRssText } from './rss-text.ts';

const BORDER = '#'.repeat(24);

/** A snapshot of a port's statistics, for rates. */
export interface StatsSample {
  readonly stats: PortStats;
  /** Nanoseconds. */
  readonly time: bigint;
}

/** `show port stats N`; rates since `previous`, or 0 without one. */
export function portStatsText(id: number, now: StatsSample, previous: StatsSample | undefined): string {
  const s = now.stats;
  const seconds = previous ? Number(now.time - previous.time) / 1e9 : 0;
  const rate = (count: number, before: number | undefined) =>
    String(seconds > 0 ? Math.max(0, Math.floor((count - (before ?? 0)) / seconds)) : 0).padStart(12);
  const p = previous?.stats;
  return [
    '',
    `  ${BORDER} NIC statistics for port ${left(id, 2)} ${BORDER}`,
    `  RX-packets: ${left(s.ipackets, 10)} RX-missed: ${left(s.imissed, 10)} RX-bytes:  ${s.ibytes}`,
    `  RX-errors: ${s.ierrors}`,
    `  RX-nombuf:  ${left(s.rxNombuf, 10)}`,
    `  TX-packets: ${left(s.opackets, 10)} TX-errors: ${left(s.oerrors, 10)} TX-bytes:  ${s.obytes}`,
    '',
    '  Throughput (since last show)',
    `  Rx-pps: ${rate(s.ipackets, p?.ipackets)}          Rx-bps: ${rate(s.ibytes * 8, p && p.ibytes * 8)}`,
    `  Tx-pps: ${rate(s.opackets, p?.opackets)}          Tx-bps: ${rate(s.obytes * 8, p && p.obytes * 8)}`,
    `  ${BORDER}${'#'.repeat(28)}${BORDER}`,
  ].join('\n');
}

/** `show port xstats N`. */
export function portXstatsText(id: number, xstats: ReadonlyMap<string, number>, hideZero: boolean): string {
  const values = [...xstats].filter(([, value]) => value !== 0 || !hideZero);
  return [`###### NIC extended statistics for port ${left(id, 2)}`]
    .concat(values.map(([name, value]) => `${name}: ${value}`))
    .join('\n');
}

/** `show port summary`: a heading and one line per port. */
export function portSummaryText(ports: readonly Port[], available: number, soft: SoftPorts): string {
  const row = (id: string, mac: string, name: string, driver: string, status: string, link: string) =>
    `${id.padEnd(4)} ${mac.padEnd(17)} ${name.padEnd(12)} ${driver.padEnd(14)} ${status.padEnd(8)} ${link}`;
  return [
    `Number of available ports: ${available}`,
    row('Port', 'MAC Address', 'Name', 'Driver', 'Status', 'Link'),
    ...ports.map((port) => {
      const link = port.link();
      const { name, driver } = port.info;
      const mac = soft.macOf(port).toUpperCase();
      return row(String(port.id), mac, name, driver, status(link), linkSpeed(link.speed));
    }),
  ].join('\n');
}

/** What software makes of a port. */
export interface SoftInfo extends Pick<SoftPort, 'promiscuous' | 'allmulticast' | 'modes'> {
  readonly mac: string;
  readonly rxQueues: number;
  readonly txQueues: number;
  /** Software hashes what it receives. */
  readonly hashes: boolean;
}

/** `show port info N`. */
export function portInfoText(port: Port, soft: SoftInfo): string {
  const { info } = port;
  const { promiscuous, allmulticast, modes } = soft;
  const link = port.link();
  return [
    `\n********************* Infos for port ${left(port.id, 2)} *********************`,
    `MAC address: ${soft.mac.toUpperCase()}`,
    `Device name: ${info.name}`,
    `Driver name: ${info.driver}`,
    'Firmware-version: not available',
    `Devargs: ${info.devargs}`,
    'Connect to socket: 0',
    'memory allocation on the socket: 0',
    `Link status: ${status(link)}`,
    `Link speed: ${linkSpeed(link.speed)}`,
    'Link duplex: full-duplex',
    'Autoneg status: Off',
    `MTU: ${info.mtu}`,
    `Minimum MTU: ${info.minMtu}`,
    `Maximum MTU: ${info.maxMtu}`,
    `Promiscuous mode: ${promiscuous ? 'enabled' : 'disabled'}`,
    `Allmulticast mode: ${allmulticast ? 'enabled' : 'disabled'}`,
    `Maximum number of MAC addresses: ${MAX_MACS}`,
    'Maximum number of MAC addresses of hash filtering: 0',
    `VLAN offload: \n  strip ${on(modes.strip)}, filter ${on(modes.filter)}, extend ${on(modes.extend)}, qinq strip ${on(modes.qinqStrip)}`,
    ...rssLines(soft.hashes),
    `Minimum size of RX buffer: ${info.minRxBufSize}`,
    `Maximum configurable length of RX packet: ${info.maxRxPktLen}`,
    'Maximum configurable size of LRO aggregated packet: 0',
    ...queueLines('RX', soft.rxQueues, Math.max(soft.rxQueues, info.maxRxQueues), port),
    ...queueLines('TX', soft.txQueues, Math.max(soft.txQueues, info.maxTxQueues), port),
    'Max segment number per packet: 65535',
    'Max segment number per MTU/TSO: 65535',
    'Device capabilities: 0x0( )',
    'Device error handling mode: none',
    ...privateLines(port),
  ].join('\n');
}

function rssLines(hashes: boolean): string[] {
  if (!hashes) return ['No RSS offload flow type is supported.'];
  return [
    `Hash key size in bytes: ${RSS_KEY_LENGTH}`,
    `Redirection table size: ${RETA_SIZE}`,
    `Supported RSS offload flow types:\n${supportedRssText()}`,
  ];
}

function queueLines(kind: 'RX' | 'TX', current: number, max: number, { info }: Port): string[] {
  return [
    `Current number of ${kind} queues: ${current}`,
    `Max possible ${kind} queues: ${max}`,
    `Max possible number of ${kind}Ds per queue: ${info.maxDescriptors}`,
    `Min possible number of ${kind}Ds per queue: ${info.minDescriptors}`,
    `${kind}Ds number alignment: 1`,
  ];
}

function privateLines({ info }: Port): string[] {
  const details = Object.entries(info.details);
  return details.length === 0
    ? []
    : ['Device private info:', ...details.map(([name, value]) => `  ${name}: ${value}`)];
}

/** `show device info NAME`. */
export function deviceInfoText(port: Port, mac: string): string {
  const { info } = port;
  return [
    `\n********************* Infos for device ${info.name} *********************`,
    `Bus name: ${parsePciAddress(info.name) === null ? 'vdev' : 'pci'}`,
    'Bus information: ',
    ...Object.entries(info.details).map(([name, value]) => `  ${name}: ${value}`),
    `Driver name: ${info.driver}`,
    `Devargs: ${info.devargs}`,
    'Connect to socket: 0',
    '',
    `\tPort id: ${left(port.id, 2)}`,
    `\tMAC address: ${mac.toUpperCase()}`,
    `\tDevice name: ${info.name}`,
    '\tDevice speed capability: Autonegotiate (all speeds)',
  ].join('\n');
}

/** `show config rxtx`. */
export function rxtxConfigText(settings: Settings, ports: readonly Port[], nbCores: number): string {
  const lines = [
    `  ${modeTitle(settings.mode, settings.traffic)} packet forwarding${retrySuffix(settings)} packets/burst=${settings.burst}`,
  ];
  if (settings.mode === 'txonly' || settings.mode === 'flowgen') {
    const total = settings.txSegments.reduce((sum, length) => sum + length, 0);
    lines.push(`  packet len=${total} - nb packet segments=${settings.txSegments.length}`);
  }
  lines.push(`  nb forwarding cores=${nbCores} - nb forwarding ports=${ports.length}`);
  for (const port of ports) lines.push(...rxtxPortLines(port, settings));
  return lines.join('\n');
}

function rxtxPortLines(port: Port, settings: Settings): string[] {
  const rxOffloads = shownOffloads(settings, port, 'rx');
  const txOffloads = shownOffloads(settings, port, 'tx');
  const { soft, rxQueues: wanted, txQueues: wantedTx } = settings;
  const rxQueues = soft.spreadsPort(port, wanted) ? wanted : port.config.rxQueues;
  const txQueues = soft.spreads ? Math.max(wantedTx, port.config.txQueues) : port.config.txQueues;
  return [
    `  port ${port.id}: RX queue number: ${rxQueues} Tx queue number: ${txQueues}`,
    `    Rx offloads=${rxOffloads} Tx offloads=${txOffloads}`,
    '    RX queue: 0',
    `      RX desc=${ringSize(settings, port, 'rx', 0)} - RX free threshold=0`,
    '      RX threshold registers: pthresh=0 hthresh=0  wthresh=0',
    `      RX Offloads=${rxOffloads}`,
    '    TX queue: 0',
    `      TX desc=${ringSize(settings, port, 'tx', 0)} - TX free threshold=0`,
    '      TX threshold registers: pthresh=0 hthresh=0  wthresh=0',
    `      TX offloads=${txOffloads} - TX RS bit threshold=0`,
  ];
}

/** What was asked for: by option, or since. */
function shownOffloads(settings: Settings, port: Port, role: Role): string {
  const fixed = maskOf(offloadsOf(settings, port, role).filter(({ set }) => !set));
  const mask = (settings[`${role}Offloads`] & fixed) | chosenOffloads(settings, port, role);
  return `0x${mask.toString(16)}`;
}

export function retrySuffix(settings: Settings): string {
  return settings.retry ? ' with retry' : '';
}

/** DPDK's link line: "Link up at 10 Gbps FDX Fixed". */
export function linkLine(link: PortLink): string {
  return link.up ? `Link up at ${linkSpeed(link.speed)} FDX Fixed` : 'Link down';
}

/** The reason why a link is down, for which DPDK has no message. */
export function noLinkLine(port: Port): string {
  return `Port ${port.id}: no link: ${port.link().reason}`;
}

function linkSpeed(mbps: number): string {
  if (mbps === 0) return 'None';
  if (mbps === 0xffff_ffff) return 'Unknown';
  return mbps >= 1000 ? `${mbps / 1000} Gbps` : `${mbps} Mbps`;
}

const on = (mode: boolean) => (mode ? 'on' : 'off');
const status = (link: PortLink) => (link.up ? 'up' : 'down');

export function left(value: number | string, width: number): string {
  return String(value).padEnd(width);
}
