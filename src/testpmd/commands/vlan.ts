// SPDX-License-Identifier: BSD-3-Clause
// The commands about tags: stripped and filtered on receipt, added before packets are sent; all in software.
import type { Port } from '../../ethdev/port.ts';
import type { Session } from '../session.ts';
import type { RxModes } from '../soft-port.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

const MODES: Readonly<Record<string, keyof RxModes>> = {
  strip: 'strip',
  filter: 'filter',
  qinq_strip: 'qinqStrip',
  extend: 'extend',
};
const VLANS = 4096;

export const vlanCommands: readonly Command<Session>[] = [
  {
    pattern: 'vlan set what=strip|filter|qinq_strip|extend to=on|off id=<id>',
    section,
    help: 'Remove the VLAN tag of received packets, both tags, or drop those of other VLANs; extend: look behind an outer tag.',
    run: setMode,
  },
  {
    pattern: 'vlan set which=inner|outer tpid tpid=<u16> id=<id>',
    section,
    help: 'Set the TPID of a VLAN tag or of an outer one.',
    run: setTpid,
  },
  {
    pattern: 'rx_vlan what=add|rm vlan=<u16> id=<id>',
    section,
    help: 'Let packets of a VLAN pass the filter, or not.',
    run: filterVlan,
  },
  {
    pattern: 'rx_vlan what=add|rm all id=<id>',
    section,
    help: 'Let packets of all VLANs pass the filter, or of none.',
    run: filterAll,
  },
  {
    pattern: 'tx_vlan set id=<id> vlan=<u16>',
    section,
    help: 'Tag what a port sends in modes mac, macswap, 5tswap, csum, txonly and flowgen.',
    run: setTags,
  },
  {
    pattern: 'tx_vlan set id=<id> vlan=<u16> outer=<u16>',
    section,
    help: 'The same with two tags.',
    run: setTags,
  },
  {
    pattern: 'tx_vlan set pvid id=<id> vlan=<u16> to=on|off',
    section,
    help: 'Tag whatever a port sends without tag.',
    run: setPvid,
  },
  { pattern: 'tx_vlan reset id=<id>', section, help: 'Add no tags.', run: resetTags },
];

function setMode(session: Session, { what, to, id }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  session.settings.soft.of(port).modes[MODES[what] ?? 'strip'] = to === 'on';
  return session.forwarding.apply();
}

function setTpid(session: Session, { which, tpid, id }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  session.settings.soft.of(port).tpids[which === 'inner' ? 'inner' : 'outer'] = Number(tpid);
  return session.forwarding.apply();
}

function filterVlan(session: Session, { what, vlan, id }: Args): Promise<void> | undefined {
  const port = filtering(session, id, vlan, what === 'add' ? 1 : 0);
  if (!port) return undefined;
  session.settings.soft.of(port).setVlan(Number(vlan), what === 'add');
  return session.forwarding.apply();
}

function filterAll(session: Session, { what, id }: Args): Promise<void> | undefined {
  const port = filtering(session, id, '0', what === 'add' ? 1 : 0);
  if (!port) return undefined;
  session.settings.soft.of(port).vlans.fill(what === 'add' ? 0xff : 0);
  return session.forwarding.apply();
}

/** The port, if it filters; else rte_eth_dev_vlan_filter()'s answer. */
function filtering(session: Session, id: string, vlan: string, on: number): Port | null {
  const [port] = portsNamed(session, id) ?? [];
  if (!port || !isVlan(session, vlan)) return null;
  if (session.settings.soft.of(port).modes.filter) return port;
  session.output.complain(
    `Port ${id}: VLAN-filtering disabled\n` +
      `rte_eth_dev_vlan_filter(port_pi=${id}, vlan_id=${Number(vlan)}, on=${on}) failed diag=-38`,
  );
  return null;
}

function isVlan({ output }: Session, vlan: string): boolean {
  const valid = Number(vlan) < VLANS;
  if (!valid) output.complain(`Invalid vlan_id ${Number(vlan)} (must be < ${VLANS})`);
  return valid;
}

function setTags(session: Session, { id, vlan, outer }: Args): void {
  const port = stopped(session, id);
  if (!port || !isVlan(session, vlan) || (outer !== undefined && !isVlan(session, outer))) return;
  const soft = session.settings.soft.of(port);
  if (outer === undefined && soft.txTags.length === 2) {
    session.output.complain('Error, as QinQ has been enabled.');
    return;
  }
  session.ports.changed([port]);
  soft.txTags = [vlan, outer].flatMap((tag) => (tag === undefined ? [] : [Number(tag)]));
}

function resetTags(session: Session, { id }: Args): void {
  const port = stopped(session, id);
  if (!port) return;
  session.settings.soft.of(port).txTags = [];
  session.ports.changed([port]);
}

function stopped(session: Session, id: string): Port | null {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return null;
  if (port.started) session.output.complain(`Please stop port ${id} first`);
  return port.started ? null : port;
}

function setPvid(session: Session, { id, vlan, to }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port || !isVlan(session, vlan)) return undefined;
  session.settings.soft.of(port).pvid = to === 'on' ? Number(vlan) : null;
  return session.forwarding.apply();
}
