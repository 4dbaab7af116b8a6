// SPDX-License-Identifier: BSD-3-Clause
// The `set` commands.
import { macBytes } from '../../packet/mac.ts';
import { engineNames } from '../fwd/engines.ts';
import { txSegmentsFault } from '../options.ts';
import type { Session } from '../session.ts';
import { MAX_BURST } from '../settings.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

export const configCommands: readonly Command<Session>[] = [
  {
    pattern: `set fwd mode=${engineNames.join('|')} [retry=retry]`,
    section,
    help: 'Set packet forwarding mode.',
    run: setFwd,
  },
  { pattern: 'set burst n=<uint>', section, help: 'Set number of packets per burst.', run: setBurst },
  {
    pattern: 'set burst tx delay us=<uint> retry n=<uint>',
    section,
    help: 'Set the delay between retries in microseconds, and the number of retries.',
    run: setRetry,
  },
  {
    pattern: 'set txpkts lengths=<list>',
    section,
    help: 'Set the length of each segment of TXONLY packets.',
    run: setTxpkts,
  },
  { pattern: 'set nbcore n=<uint>', section, help: 'Set number of forwarding cores.', run: setNbcore },
  { pattern: 'set nbport n=<uint>', section, help: 'Set number of forwarding ports.', run: setNbport },
  { pattern: 'set portlist list=<list>', section, help: 'Set the forwarding ports.', run: setPortlist },
  {
    pattern: 'set eth-peer id=<id> mac=<text>',
    section,
    help: 'Set the destination address of packets that a port sends in modes mac and txonly.',
    run: setEthPeer,
  },
  {
    pattern: 'set promisc id=<port> to=on|off',
    section,
    help: 'Set promiscuous mode (only recorded: these ports do not filter).',
    run: setPromisc,
  },
  {
    pattern: 'set allmulti id=<port> to=on|off',
    section,
    help: 'No effect: all ports receive every packet.',
    run: (session, { id }) => void portsNamed(session, id),
  },
  {
    pattern: 'set xstats-hide-zero to=on|off',
    section,
    help: 'Hide zero values in show port xstats.',
    run: (session, { to }) => {
      session.settings.hideZeroXstats = to === 'on';
    },
  },
  {
    pattern: 'set record-core-cycles to=on|off',
    section,
    help: 'Count the CPU cycles spent forwarding, from the next start on.',
    run: (session, { to }) => {
      session.settings.recordCycles = to === 'on';
    },
  },
  {
    pattern: 'set verbose n=<uint>',
    section,
    help: 'Accepted and ignored.',
    run: ({ output }, { n }) => output.print(`set verbose ${n} has no effect: packets are not dumped`),
  },
];

function setFwd({ settings, output }: Session, { mode, retry }: Args): void {
  settings.mode = mode;
  settings.retry = retry !== undefined;
  output.print(`Set ${mode} packet forwarding mode${settings.retry ? ' with retry' : ''}`);
}

function setBurst({ settings, output }: Session, { n }: Args): void {
  const burst = Number(n);
  if (burst < 1) output.complain(`nb pkt per burst: ${burst} < 1 (minimum packet per burst)  ignored`);
  else if (burst > MAX_BURST) {
    output.complain(`nb pkt per burst: ${burst} > ${MAX_BURST} (maximum packet per burst)  ignored`);
  } else {
    settings.burst = burst;
    output.print(`Number of packets per burst set to ${burst}`);
  }
}

function setRetry({ settings }: Session, { us, n }: Args): void {
  settings.burstTxDelay = Number(us);
  settings.burstTxRetries = Number(n);
}

function setTxpkts({ settings, output }: Session, { lengths }: Args): void {
  const segments = lengths.split(',').map(Number);
  const fault = txSegmentsFault(settings, segments);
  if (fault === null) settings.txSegments = segments;
  else output.complain(fault);
}

function setNbcore({ settings, output, forwarding }: Session, { n }: Args): void {
  const cores = Number(n);
  if (cores > forwarding.maxCores) {
    output.complain(
      `nb fwd cores ${cores} > ${forwarding.maxCores} (max. number of configured lcores) - ignored`,
    );
  } else if (cores < 1) {
    output.complain(`nb fwd cores ${cores} < 1 - ignored`);
  } else {
    settings.nbCores = cores;
    output.print(`Number of forwarding cores set to ${cores}`);
  }
}

function setNbport(session: Session, { n }: Args): void {
  const count = Number(n);
  if (count < 1 || count > session.ports.open.length) {
    session.output.complain(
      `nb fwd ports ${count} > ${session.ports.open.length} (number of configured ports) - ignored`,
    );
    return;
  }
  session.settings.nbPorts = count;
  session.output.print(`Number of forwarding ports set to ${count}`);
}

function setPortlist(session: Session, { list }: Args): void {
  const ids = [...new Set(list.split(',').map(Number))];
  if (!ids.every((id) => portsNamed(session, String(id)))) return;
  const before = session.ports.forwarding.length;
  session.settings.portList = ids;
  session.settings.nbPorts = null;
  session.output.print(
    `previous number of forwarding ports ${before} - changed to number of configured ports ${ids.length}`,
  );
}

function setEthPeer(session: Session, { id, mac }: Args): void {
  if (!session.ports.open.some((port) => port.id === Number(id))) {
    session.output.complain(`Error: Invalid port number ${id}`);
    return;
  }
  try {
    macBytes(mac);
    session.settings.ethPeers.set(Number(id), mac.toUpperCase());
  } catch (error) {
    session.output.complain(`Error: ${(error as Error).message}`);
  }
}

function setPromisc(session: Session, { id, to }: Args): void {
  for (const port of portsNamed(session, id) ?? []) {
    if (to === 'on') session.ports.notPromiscuous.delete(port.id);
    else session.ports.notPromiscuous.add(port.id);
  }
}
