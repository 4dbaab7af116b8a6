// SPDX-License-Identifier: BSD-3-Clause
// The commands tso, gso and gro, for mode csum.
import type { Port } from '../../ethdev/port.ts';
import { offloadsOf } from '../port-offloads.ts';
import type { Session } from '../session.ts';
import { GRO_MAX_CYCLES, MAX_BURST } from '../settings.ts';
import { planOf, stoppedPort } from './csum.ts';
import type { Command } from './grammar.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

/** testpmd's sizeof of Ethernet, IPv4 and TCP headers, and a byte. */
const GSO_MIN = 55;
/** DPDK's words. TCP over IPv6 is cut as well. */
const GSO_TYPES =
  'Supported GSO types: TCP/IPv4, UDP/IPv4, VxLAN with inner TCP/IPv4 packet, GRE with inner TCP/IPv4 packet';
/** GRO of one burst: 4 flows of 32 packets. */
const GRO_PACKETS = 128;

export const segmentationCommands: readonly Command<Session>[] = [
  {
    pattern: 'tso set size=<u16> id=<id>',
    section,
    help: 'Set the segment size of TCP packets that a port sends in mode csum; 0: packets stay whole.',
    run: setTso,
  },
  { pattern: 'tso show id=<id>', section, help: 'Show the segment size of TCP packets.', run: showTso },
  {
    pattern: 'set port id=<id> gso to=on|off',
    section,
    help: 'Cut long packets that a port sends in mode csum: TCP, UDP over IPv4, and inside VXLAN and GRE.',
    run: setGso,
  },
  {
    pattern: 'set gso segsz size=<u16>',
    section,
    help: 'Set the length of the packets that GSO makes.',
    run: setGsoSize,
  },
  { pattern: 'show port id=<id> gso', section: 'display', help: 'Display GSO of a port.', run: showGso },
  {
    pattern: 'set port id=<id> gro to=on|off',
    section,
    help: 'Merge TCP packets over IPv4 that a port receives in mode csum.',
    run: setGro,
  },
  {
    pattern: 'set gro flush cycles=<u8>',
    section,
    help: 'Set the number of bursts that GRO merges, 1 to 4.',
    run: setGroFlush,
  },
  { pattern: 'show port id=<id> gro', section: 'display', help: 'Display GRO of a port.', run: showGro },
];

const canTso = ({ settings }: Session, port: Port) =>
  offloadsOf(settings, port, 'tx').some(({ name }) => name === 'TCP_TSO');

function setTso(session: Session, { size, id }: Args): void {
  const port = stoppedPort(session, id);
  if (!port) return;
  const tso = Number(size);
  if (tso > 0 && !canTso(session, port)) {
    session.output.complain(`Error: TSO is not supported by port ${port.id}`);
    return;
  }
  session.settings.csum.set(port.id, { ...planOf(session, port), tso });
  session.ports.changed([port]);
  printTso(session, port);
}

function showTso(session: Session, { id }: Args): void {
  const port = stoppedPort(session, id);
  if (port) printTso(session, port);
}

function printTso(session: Session, port: Port): void {
  const { tso = 0 } = planOf(session, port);
  session.output.print(
    tso === 0
      ? 'TSO for non-tunneled packets is disabled'
      : `TSO segment size for non-tunneled packets is ${tso}`,
  );
  // Its peer may have gone since.
  if (tso > 0 && !canTso(session, port))
    session.output.print(`Warning: TSO enabled but not supported by port ${port.id}`);
}

function found({ ports, output }: Session, id: string, invalid: string): Port | null {
  const port = ports.open.find((candidate) => candidate.id === Number(id));
  if (!port) output.complain(invalid);
  return port ?? null;
}

/** Whether forwarding is stopped; says otherwise that it must be. */
function idle({ forwarding, output }: Session, before: string): boolean {
  if (forwarding.running) output.complain(before);
  return !forwarding.running;
}

function setGso(session: Session, { id, to }: Args): void {
  const port = found(session, id, `invalid port id ${id}`);
  const verb = to === 'on' ? 'enabling' : 'disabling';
  if (!port || !idle(session, `before ${verb} GSO, please stop forwarding first`)) return;
  if (to === 'on') session.settings.gsoPorts.add(port.id);
  else session.settings.gsoPorts.delete(port.id);
}

function setGsoSize(session: Session, { size }: Args): void {
  if (!idle(session, 'Before setting GSO segsz, please first stop forwarding')) return;
  if (Number(size) >= GSO_MIN) session.settings.gsoSize = Number(size);
  else session.output.complain(`gso_size should be larger than ${GSO_MIN}. Please input a legal value`);
}

function showGso(session: Session, { id }: Args): void {
  const port = found(session, id, `invalid port id ${id}`);
  if (!port) return;
  const { gsoPorts, gsoSize } = session.settings;
  session.output.print(
    gsoPorts.has(port.id)
      ? `Max GSO'd packet size: ${gsoSize}B\n${GSO_TYPES}`
      : `GSO is not enabled on Port ${port.id}`,
  );
}

function setGro(session: Session, { id, to }: Args): void {
  const { settings, output } = session;
  const port = found(session, id, `invalid port id ${id}`);
  if (!port || !idle(session, 'Before enable/disable GRO, please stop forwarding first')) return;
  const on = settings.groPorts.has(port.id);
  if (to === 'on' && on) output.complain(`Port ${port.id} has enabled GRO. Please disable GRO first`);
  else if (to === 'on') settings.groPorts.add(port.id);
  else if (!on) output.complain(`Port ${port.id} has disabled GRO`);
  else settings.groPorts.delete(port.id);
}

function setGroFlush(session: Session, { cycles }: Args): void {
  const wanted = Number(cycles);
  if (!idle(session, 'Before change flush interval for GRO, please stop forwarding first.')) return;
  const legal = wanted >= 1 && wanted <= GRO_MAX_CYCLES;
  session.settings.groCycles = legal ? wanted : 1;
  if (!legal)
    session.output.complain(
      `The flushing cycle be in the range of 1 to ${GRO_MAX_CYCLES}. Revert to the default value 1.`,
    );
}

function showGro(session: Session, { id }: Args): void {
  const port = found(session, id, `Invalid port id ${id}.`);
  if (!port) return;
  const { groPorts, groCycles } = session.settings;
  const packets = groCycles === 1 ? GRO_PACKETS : MAX_BURST * GRO_MAX_CYCLES;
  session.output.print(
    groPorts.has(port.id)
      ? `GRO type: TCP/IPv4\nMax number of packets to perform GRO: ${packets}\nFlushing cycles: ${groCycles}`
      : `Port ${port.id} doesn't enable GRO.`,
  );
}
