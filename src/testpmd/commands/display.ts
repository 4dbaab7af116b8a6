// SPDX-License-Identifier: BSD-3-Clause
// The commands show and clear.
import type { Port } from '../../ethdev/port.ts';
import type { Session } from '../session.ts';
import { deviceInfoText, portInfoText, portSummaryText, portXstatsText } from '../text/port-text.ts';
import type { Command } from './grammar.ts';
import { shownPorts } from './ports-named.ts';

const section = 'display';
type Args = Readonly<Record<string, string>>;

export const displayCommands: readonly Command<Session>[] = [
  {
    pattern: 'show port what=info|stats|xstats|summary id=<port>',
    section,
    help: 'Display information for port_id, or all.',
    run: showPort,
  },
  {
    pattern: 'clear port what=info|stats|xstats id=<port>',
    section,
    help: 'Clear information for port_id, or all.',
    run: clearPort,
  },
  { pattern: 'show port id=<id> macs', section, help: 'Display the MAC addresses of a port.', run: showMacs },
  {
    pattern: 'show config what=fwd|rxtx|cores|txpkts',
    section,
    help: 'Display the given configuration.',
    run: showConfig,
  },
  {
    pattern: 'show fwd stats all',
    section,
    help: 'Display statistics of all forwarding ports.',
    run: (session) => session.output.print(session.forwarding.statsText(session.ports.forwarding)),
  },
  {
    pattern: 'clear fwd stats all',
    section,
    help: 'Clear statistics of all forwarding ports.',
    run: (session) => session.forwarding.clearStats(),
  },
  {
    pattern: 'show device info name=<text>',
    section: 'devices',
    help: 'Display a device, or all.',
    run: showDevice,
  },
];

function showPort(session: Session, { what, id }: Args): void {
  const ports = shownPorts(session, id);
  if (!ports) return;
  if (what === 'summary') {
    session.output.print(portSummaryText(ports, session.ports.open.length));
    return;
  }
  for (const port of ports) session.output.print(portText(session, port, what));
}

function portText(session: Session, port: Port, what: string): string {
  if (what === 'stats') return session.ports.statsText(port);
  if (what === 'xstats') return portXstatsText(port, session.settings.hideZeroXstats);
  return portInfoText(port, !session.ports.notPromiscuous.has(port.id));
}

function clearPort(session: Session, { what, id }: Args): void {
  const ports = shownPorts(session, id);
  if (!ports || what === 'info') return;
  for (const port of ports) {
    session.ports.clearStats(port);
    if (what === 'stats') session.output.print(`\n  NIC statistics for port ${port.id} cleared`);
  }
}

function showMacs(session: Session, { id }: Args): void {
  for (const port of shownPorts(session, id) ?? []) {
    session.output.print(`Number of MAC address added: 1\n  ${port.info.mac.toUpperCase()}`);
  }
}

function showConfig(session: Session, { what }: Args): void {
  const { forwarding, output, ports, settings } = session;
  if (what === 'fwd') output.print(forwarding.configText(ports.forwarding));
  if (what === 'rxtx') output.print(forwarding.rxtxText(ports.forwarding));
  if (what === 'cores') {
    const cores = session.places.slice(0, settings.nbCores).map((place) => ` ${place.id}`);
    output.print(`List of forwarding lcores: ${cores.join('')}`);
  }
  if (what === 'txpkts') {
    const { txSegments } = settings;
    output.print(
      `Number of segments: ${txSegments.length}\nSegment sizes: ${txSegments.join(',')}\nSplit packet: off`,
    );
  }
}

function showDevice(session: Session, { name }: Args): void {
  const ports = session.ports.open.filter((port) => name === 'all' || port.info.name === name);
  if (ports.length === 0 && name !== 'all') session.output.complain(`Invalid device ${name}`);
  for (const port of ports) session.output.print(deviceInfoText(port));
}
