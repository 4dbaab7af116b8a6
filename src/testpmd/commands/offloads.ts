// SPDX-License-Identifier: BSD-3-Clause
// The commands about queues and offloads of ports.
import type { Port } from '../../ethdev/port.ts';
import type { Session } from '../session.ts';
import {
  offloadCapabilitiesText,
  offloadConfigurationText,
  offloadRefusal,
  offloadsOf,
  queueInfoText,
} from '../text/queue-text.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

type Args = Readonly<Record<string, string>>;

/** Bits of rte_ethdev.h. */
const RX_OFFLOADS: Readonly<Record<string, number>> = {
  vlan_strip: 0x1,
  ipv4_cksum: 0x2,
  udp_cksum: 0x4,
  tcp_cksum: 0x8,
  tcp_lro: 0x10,
  qinq_strip: 0x20,
  outer_ipv4_cksum: 0x40,
  macsec_strip: 0x80,
  vlan_filter: 0x200,
  vlan_extend: 0x400,
  scatter: 0x2000,
  timestamp: 0x4000,
  security: 0x8000,
  keep_crc: 0x10000,
  rss_hash: 0x80000,
  buffer_split: 0x100000,
};
const TX_OFFLOADS: Readonly<Record<string, number>> = {
  vlan_insert: 0x1,
  ipv4_cksum: 0x2,
  udp_cksum: 0x4,
  tcp_cksum: 0x8,
  sctp_cksum: 0x10,
  tcp_tso: 0x20,
  udp_tso: 0x40,
  outer_ipv4_cksum: 0x80,
  qinq_insert: 0x100,
  vxlan_tnl_tso: 0x200,
  gre_tnl_tso: 0x400,
  ipip_tnl_tso: 0x800,
  geneve_tnl_tso: 0x1000,
  macsec_insert: 0x2000,
  mt_lockfree: 0x4000,
  multi_segs: 0x8000,
  mbuf_fast_free: 0x10000,
  security: 0x20000,
  send_on_timestamp: 0x200000,
};
const RX_NAMES = Object.keys(RX_OFFLOADS).join('|');
const TX_NAMES = Object.keys(TX_OFFLOADS).join('|');
const SET = 'Turn an offload on; those that a port has are always on.';

export const offloadCommands: readonly Command<Session>[] = [
  {
    pattern: 'show what=rxq|txq info id=<id> queue=<u16>',
    section: 'display',
    help: 'Display a queue.',
    run: showQueue,
  },
  {
    pattern: 'show port id=<id> what=rx_offload|tx_offload which=capabilities|configuration',
    section: 'display',
    help: 'Display the offloads of a port.',
    run: showOffloads,
  },
  ...(['rx', 'tx'] as const).flatMap((role) => {
    const names = `name=all|${role === 'rx' ? RX_NAMES : TX_NAMES} to=on|off`;
    const run = (session: Session, args: Args) => setOffload(session, role, args);
    return [
      { pattern: `port config id=<port> ${role}_offload ${names}`, section: 'ports', help: SET, run },
      { pattern: `port id=<id> ${role}q <u16> ${role}_offload ${names}`, section: 'ports', help: SET, run },
    ];
  }),
];

function showQueue(session: Session, { what, id, queue }: Args): void {
  const role = what === 'rxq' ? 'rx' : 'tx';
  const port = session.ports.open.find((candidate) => candidate.id === Number(id));
  const queues = port ? session.ports.queues(port, role) : 0;
  if (port && Number(queue) < queues) {
    session.output.print(queueInfoText(port, role, Number(queue), session.settings.soft.of(port)));
    return;
  }
  const named = role === 'rx' ? 'Rx' : 'Tx';
  session.output.complain(
    [
      port ? `Invalid ${named} queue_id=${queue}` : `Invalid port_id=${id}`,
      `Failed to retrieve information for port: ${id}, ${role.toUpperCase()} queue: ${queue}`,
      `error desc: ${port ? 'Invalid argument(-22)' : 'No such device(-19)'}`,
    ].join('\n'),
  );
}

function showOffloads(session: Session, { id, what, which }: Args): void {
  const port = session.ports.open.find((candidate) => candidate.id === Number(id));
  if (!port) {
    session.output.complain(
      `Invalid port_id=${id}\nError during getting device (port ${id}) info: No such device`,
    );
    return;
  }
  const text = which === 'capabilities' ? offloadCapabilitiesText : offloadConfigurationText;
  session.output.print(text(port, what === 'rx_offload' ? 'rx' : 'tx'));
}

function setOffload(session: Session, role: 'rx' | 'tx', { id, name, to }: Args): void {
  for (const port of portsNamed(session, id) ?? []) {
    if (port.started)
      session.output.complain(`Error: Can't config offload when Port ${port.id} is not stopped`);
    else if (to === 'on') turnOn(session, port, role, name);
    else turnOff(session, port, role, name);
  }
}

function turnOn({ output }: Session, port: Port, role: 'rx' | 'tx', name: string): void {
  const bits = role === 'rx' ? RX_OFFLOADS : TX_OFFLOADS;
  const has = offloadsOf(port, role).reduce((mask, { bit }) => mask | bit, 0);
  const wanted = name === 'all' ? has : (bits[name] ?? 0);
  if ((wanted & ~has) !== 0) output.complain(offloadRefusal(port, role, wanted));
}

/** What a port does not have is off. */
function turnOff({ output }: Session, port: Port, role: 'rx' | 'tx', name: string): void {
  const fits = offloadsOf(port, role).some(
    (offload) => name === 'all' || offload.name === name.toUpperCase(),
  );
  if (fits) output.complain(`Error: port ${port.id} cannot turn ${name} off`);
}
