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

/** testpmd's names of the layers. */
const LAYERS: Readonly<Record<string, string>> = {
  ip: 'IP',
  udp: 'UDP',
  tcp: 'TCP',
  sctp: 'SCTP',
  'outer-ip': 'Outer-Ip',
  'outer-udp': 'Outer-Udp',
};

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

/** The checksums of outer headers are never computed. */
const isPlanned = (layer: string): layer is 'ip' | 'udp' | 'tcp' | 'sctp' => !layer.startsWith('outer');

function setLayer(session: Session, { layer, by, id }: Args): void {
  const port = stoppedPort(session, id);
  if (!port) return;
  const name = layer === 'ip' ? 'IPV4_CKSUM' : `${layer.toUpperCase()}_CKSUM`;
  const can =
    by === 'sw' || offloadsOf(session.settings, port, 'tx').some((offload) => offload.name === name);
  if (!can) session.output.complain(`${LAYERS[layer]} checksum offload is not supported by port ${id}`);
  else if (isPlanned(layer))
    session.settings.csum.set(port.id, { ...planOf(session, port), [layer]: by as 'sw' | 'hw' });
  print(session, port);
}

function show(session: Session, { id }: Args): void {
  const port = stoppedPort(session, id);
  if (port) print(session, port);
}

function print(session: Session, port: Port): void {
  const plan = planOf(session, port);
  const by = (layer: string) => (isPlanned(layer) ? (plan[layer] ?? 'sw') : 'sw');
  const lines = Object.entries(LAYERS).map(([layer, name]) => `${name} checksum offload is ${by(layer)}`);
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
