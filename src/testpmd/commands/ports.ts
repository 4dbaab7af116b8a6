// SPDX-License-Identifier: BSD-3-Clause
// The commands port start, stop, close, attach, detach and config, and device detach.
import { hasRings } from '../ring-sizes.ts';
import type { Session } from '../session.ts';
import { MAX_BURST } from '../settings.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'ports';
type Args = Readonly<Record<string, string>>;

export const portCommands: readonly Command<Session>[] = [
  { pattern: 'port start id=<port>', section, help: 'Start a port, or all.', run: startPort },
  { pattern: 'port stop id=<port>', section, help: 'Stop a port, or all.', run: stopPort },
  { pattern: 'port close id=<port>', section, help: 'Close a port, or all.', run: closePort },
  {
    pattern: 'port reset id=<port>',
    section,
    help: 'Forget the settings of a stopped port, or of all, and configure it anew when it starts.',
    run: (session, { id }) => session.ports.reset(portsNamed(session, id) ?? []),
  },
  {
    pattern: 'port attach identifier=<text>',
    section,
    help: 'Attach a device: net_vhost_pci0,path=SOCKET, 0000:00:04.0, ...; then start the port.',
    run: (session, { identifier }) => session.attachment.attach(identifier),
  },
  { pattern: 'port detach id=<id>', section, help: 'Detach the device of a stopped port.', run: detachPort },
  {
    pattern: 'device detach identifier=<text>',
    section: 'devices',
    help: 'Detach a device by its name.',
    run: detachDevice,
  },
  {
    pattern: 'port config all what=rxq|txq|rxd|txd|burst n=<uint>',
    section,
    help: 'Set the number of queues of all ports, of descriptors where no peer chooses it, or packets per burst.',
    run: configAll,
  },
  { pattern: 'port config mtu id=<id> n=<u16>', section, help: 'Set the MTU of a port.', run: configMtu },
];

async function startPort(session: Session, { id }: Args): Promise<void> {
  const ports = portsNamed(session, id);
  if (ports) await session.ports.start(ports, false);
}

async function stopPort(session: Session, { id }: Args): Promise<void> {
  const ports = portsNamed(session, id);
  if (ports) await session.ports.stop(ports, true);
}

function closePort(session: Session, { id }: Args): void {
  const ports = portsNamed(session, id);
  if (ports) session.ports.close(ports);
}

function detachPort(session: Session, { id }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (port) session.attachment.detach(port);
}

function detachDevice(session: Session, { identifier }: Args): void {
  const port = session.ports.open.find(({ info }) => info.name === identifier.split(',')[0]);
  if (port) session.attachment.detach(port, identifier);
  else session.output.complain(`Failed to detach device ${identifier}: there is no such device`);
}

/** As in testpmd, the port sets the range and the messages are rte_eth_dev_set_mtu's. */
function configMtu(session: Session, { id, n }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const mtu = Number(n);
  const { minMtu, maxMtu } = port.info;
  if (mtu < minMtu || mtu > maxMtu) {
    const [what, bound] = mtu < minMtu ? ['< device min', minMtu] : ['> device max', maxMtu];
    session.output.complain(`MTU (${mtu}) ${what} MTU (${bound}) for port_id ${id}`);
    return;
  }
  try {
    if (port.setMtu) port.setMtu(mtu);
    else session.output.complain('Set MTU failed. diag=-95');
  } catch (error) {
    session.output.complain(`Set MTU failed: ${(error as Error).message}`);
  }
}

/** Those of ports without rings; the rest are told. */
function setRings({ ports, settings, output }: Session, what: 'rxd' | 'txd', value: number): void {
  const most = Math.min(...ports.open.map(({ info }) => info.maxDescriptors));
  if (value > most) {
    const port = ports.open.find(({ info }) => info.maxDescriptors === most)?.id;
    output.complain(
      `Fail: input ${what} (${value}) can't be greater than max_${what}s (${most}) of port ${port}`,
    );
    return;
  }
  settings[what === 'rxd' ? 'rxDescriptors' : 'txDescriptors'] = value;
  ports.changed(ports.open);
  for (const port of ports.open.filter(hasRings))
    output.complain(
      `Note: ${what}=${value} has no effect on port ${port.id}: the peer chooses its ring sizes`,
    );
}

function configAll(session: Session, { what, n }: Args): void {
  const { ports, settings, output } = session;
  const value = Number(n);
  if (ports.open.some((port) => port.started)) {
    output.complain('Please stop all ports first');
    return;
  }
  if (what === 'rxd' || what === 'txd') {
    setRings(session, what, value);
    return;
  }
  const max = what === 'burst' ? MAX_BURST : settings.soft.mostQueues(ports.open);
  if (value < 1 || value > max) {
    output.complain(`${what} ${value} is outside 1..${max}`);
    return;
  }
  ports.changed(ports.open);
  if (what === 'rxq') settings.rxQueues = value;
  if (what === 'txq') settings.txQueues = value;
  if (what === 'burst') settings.burst = value;
}
