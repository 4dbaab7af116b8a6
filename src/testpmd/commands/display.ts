// SPDX-License-Identifier: BSD-3-Clause
// The commands show and clear.
import type { Port } from '../../ethdev/port.ts';
import type { Session } from '../session.ts';
import {
  deviceInfoText,
  portInfoText,
  portSummaryText,
  portXstatsText,
  type SoftInfo,
} from '../text/port-text.ts';
import type { Command } from './grammar.ts';
import { shownPorts } from './ports-named.ts';

const section = 'display';
const PTYPES = ['L2', 'L3', 'L4', 'Tunnel', 'Inner L2', 'Inner L3', 'Inner L4'];

/** `show config` of what these ports do not have. */
const NOT_SET: Readonly<Record<string, string>> = {
  rxoffs: 'Number of offsets: 0',
  rxpkts: 'Number of segments: 0',
  rxhdrs: 'Number of segments: 0',
};

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
  {
    pattern: 'show port id=<id> ptypes',
    section,
    help: 'Display the packet types that a port recognises: none.',
    run: (session, { id }) => {
      if (shownPorts(session, id))
        session.output.print(PTYPES.map((type) => `${type} ptypes unsupported`).join('\n'));
    },
  },
  {
    pattern: 'dump what=devargs|lcores',
    section,
    help: 'Display the devices or the lcores.',
    run: dump,
  },
  {
    pattern: 'dump_devargs',
    section,
    help: 'Display the devices.',
    run: (session) => dump(session, { what: 'devargs' }),
  },
  {
    pattern: 'show config what=fwd|rxtx|cores|txpkts|rxoffs|rxpkts|rxhdrs|txtimes',
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
    session.output.print(portSummaryText(ports, session.ports.open.length, session.settings.soft));
    return;
  }
  for (const port of ports) session.output.print(portText(session, port, what));
}

function portText(session: Session, port: Port, what: string): string {
  if (what === 'stats') return session.ports.statsText(port);
  const { soft, hideZeroXstats } = session.settings;
  if (what === 'xstats') return portXstatsText(port.id, soft.xstats(port), hideZeroXstats);
  return portInfoText(port, softInfo(session, port));
}

function softInfo({ settings: { soft }, ports }: Session, port: Port): SoftInfo {
  const { promiscuous, allmulticast, modes } = soft.of(port);
  const [rxQueues, txQueues] = [ports.queues(port, 'rx'), ports.queues(port, 'tx')];
  return {
    mac: soft.macOf(port),
    promiscuous,
    allmulticast,
    modes,
    rxQueues,
    txQueues,
    hashes: soft.hashesPort(port, rxQueues),
  };
}

function clearPort(session: Session, { what, id }: Args): void {
  const ports = shownPorts(session, id);
  if (!ports || what === 'info') return;
  for (const port of ports) {
    session.ports.clearStats(port);
    if (what === 'stats') session.output.print(`\n  NIC statistics for port ${port.id} cleared`);
  }
}

function showConfig(session: Session, { what }: Args): void {
  const { forwarding, output, ports, settings } = session;
  if (what === 'fwd') ports.warnOfOdd();
  if (what === 'fwd') output.print(forwarding.configText(ports.forwarding));
  if (what === 'rxtx') output.print(forwarding.rxtxText(ports.forwarding));
  if (what === 'cores') {
    const ids = settings.coreList ?? session.lcores.forwarding.map((place) => place.id);
    const cores = ids.slice(0, settings.nbCores).map((id) => ` ${id}`);
    output.print(`List of forwarding lcores: ${cores.join('')}`);
  }
  if (what in NOT_SET) output.print(NOT_SET[what]);
  if (what === 'txpkts') {
    const { txSegments, traffic } = settings;
    const sizes = `Segment sizes: ${txSegments.join(',')}`;
    output.print(`Number of segments: ${txSegments.length}\n${sizes}\nSplit packet: ${traffic.split}`);
  }
  if (what === 'txtimes') {
    const { interBurst, intraBurst } = settings.traffic;
    output.print(`Interburst gap: ${interBurst}\nIntraburst gap: ${intraBurst}`);
  }
}

function showDevice(session: Session, { name }: Args): void {
  const ports = session.ports.open.filter((port) => name === 'all' || port.info.name === name);
  if (ports.length === 0 && name !== 'all') session.output.complain(`Invalid device ${name}`);
  for (const port of ports) session.output.print(deviceInfoText(port, session.settings.soft.macOf(port)));
}

function dump({ output, ports, lcores }: Session, { what }: Args): void {
  if (what === 'devargs') {
    const devices = ports.open.map(
      ({ info }) => `  [${info.name.includes(':') ? 'pci' : 'vdev'}]: ${info.name} ${info.devargs}`,
    );
    output.print(['User device list:', ...devices].join('\n'));
    return;
  }
  for (const { id, cpus } of lcores.forwarding)
    output.print(`lcore ${id}, socket 0, role RTE, cpuset ${cpus.join(',')}`);
}
