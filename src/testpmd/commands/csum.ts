// SPDX-License-Identifier: BSD-3-Clause
// The csum commands, for mode csum.
import type { Port } from '../../ethdev/port.ts';
import type { CsumPlan } from '../fwd/engine.ts';
import { offloadsOf } from '../port-offloads.ts';
import type { Session } from '../session.ts';
import { csumPlan } from '../settings.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

/** testpmd's names of the layers, those of a plan, and DPDK's of the offloads. */
const LAYERS = {
  ip: ['IP', 'ip', 'IPV4_CKSUM'],
  udp: ['UDP', 'udp', 'UDP_CKSUM'],
  tcp: ['TCP', 'tcp', 'TCP_CKSUM'],
  sctp: ['SCTP', 'sctp', 'SCTP_CKSUM'],
  'outer-ip': ['Outer-Ip', 'outerIp', 'OUTER_IPV4_CKSUM'],
  'outer-udp': ['Outer-Udp', 'outerUdp', 'OUTER_UDP_CKSUM'],
} as const;

export const csumCommands: readonly Command<Session>[] = [
  {
    pattern: 'csum set layer=ip|udp|tcp|sctp|outer-ip|outer-udp by=hw|sw id=<id>',
    section,
    help: 'Have a checksum computed by the port that sends, or by mode csum.',
    run: setLayer,
  },
  { pattern: 'csum show id=<id>', section, help: 'Show how checksums are computed.', run: show },
  {
    pattern: 'csum parse-tunnel to=on|off id=<id>',
    section,
    help: 'Set the checksums inside tunnels as well: VXLAN, VXLAN-GPE, Geneve, GTP, GRE, IP in IP.',
    run: parseTunnel,
  },
  {
    pattern: 'csum mac-swap to=on|off id=<id>',
    section,
    help: 'Set the addresses of packets in mode csum, as mode mac does, or leave them.',
    run: macSwap,
  },
];

/** The port, if it is stopped. */
export function stoppedPort(session: Session, id: string): Port | null {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return null;
  if (port.started) session.output.complain(`Please stop port ${id} first`);
  return port.started ? null : port;
}

export const planOf = ({ settings }: Session, port: Port): CsumPlan => csumPlan(settings, port.id);

function setLayer(session: Session, { layer, by, id }: Args): void {
  const port = stoppedPort(session, id);
  if (!port) return;
  const [name, key, needed] = LAYERS[layer as keyof typeof LAYERS];
  const can =
    by === 'sw' || offloadsOf(session.settings, port, 'tx').some((offload) => offload.name === needed);
  if (!can) session.output.complain(`${name} checksum offload is not supported by port ${id}`);
  else session.settings.csum.set(port.id, { ...planOf(session, port), [key]: by as 'sw' | 'hw' });
  session.ports.changed([port]);
  print(session, port);
}

function show(session: Session, { id }: Args): void {
  const port = stoppedPort(session, id);
  if (port) print(session, port);
}

function print(session: Session, port: Port): void {
  const plan = planOf(session, port);
  const lines = Object.values(LAYERS).map(
    ([name, key]) => `${name} checksum offload is ${plan[key] ?? 'sw'}`,
  );
  session.output.print([`Parse tunnel is ${plan.tunnels ? 'on' : 'off'}`, ...lines].join('\n'));
}

async function parseTunnel(session: Session, { to, id }: Args): Promise<void> {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  session.settings.csum.set(port.id, { ...planOf(session, port), tunnels: to === 'on' });
  await session.forwarding.apply();
  print(session, port);
}

async function macSwap(session: Session, { to, id }: Args): Promise<void> {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  session.settings.csum.set(port.id, { ...planOf(session, port), macSwap: to === 'on' });
  await session.forwarding.apply();
}
