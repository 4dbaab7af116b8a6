// SPDX-License-Identifier: BSD-3-Clause
// The `set` commands.
import { macBytes } from '../../packet/mac.ts';
import { engineNames } from '../fwd/engines.ts';
import { lcoreFault } from '../lcores.ts';
import type { Session } from '../session.ts';
import { MAX_BURST } from '../settings.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

/** How DPDK's test suite spells shared_rxq. */
const SHARED_RXQ = 'shared-rxq';

export const configCommands: readonly Command<Session>[] = [
  {
    pattern: `set fwd mode=${[...engineNames, SHARED_RXQ].join('|')} [retry=retry]`,
    section,
    help: 'Set packet forwarding mode.',
    run: setFwd,
  },
  {
    pattern: 'set burst n=<uint>',
    section,
    help: 'Set number of packets per burst; with 0 none is forwarded.',
    run: setBurst,
  },
  {
    pattern: 'set burst tx delay us=<uint> retry n=<uint>',
    section,
    help: 'Set the delay between retries in microseconds, and the number of retries.',
    run: setRetry,
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
    pattern: 'set record-burst-stats to=on|off',
    section,
    help: 'Count bursts by their size.',
    run: async ({ settings, forwarding }, { to }) => {
      settings.recordBursts = to === 'on';
      await forwarding.apply();
    },
  },
  {
    pattern: 'set verbose n=<u16>',
    section,
    help: 'Print received (1), sent (2) or all packets (3 and more); 0: none.',
    run: setVerbose,
  },
  { pattern: 'set corelist list=<list>', section, help: 'Set the forwarding lcores.', run: setCorelist },
  {
    pattern: 'set coremask mask=<text>',
    section,
    help: 'Set the forwarding lcores by a hexadecimal mask.',
    run: setCoremask,
  },
  {
    pattern: 'set portmask mask=<text>',
    section,
    help: 'Set the forwarding ports by a hexadecimal mask.',
    run: setPortmask,
  },
  {
    pattern: 'set link_check to=on|off',
    section,
    help: 'Wait for links when ports start, or do not.',
    run: ({ settings }, { to }) => {
      settings.linkCheck = to === 'on';
    },
  },
  {
    pattern: 'set default',
    section,
    help: 'Forward between all ports again, on the first lcore.',
    run: setDefault,
  },
];

function setFwd({ settings, output }: Session, { mode, retry }: Args): void {
  settings.mode = mode === SHARED_RXQ ? 'shared_rxq' : mode;
  settings.retry = retry !== undefined;
  output.print(`Set ${mode} packet forwarding mode${settings.retry ? ' with retry' : ''}`);
}

async function setBurst({ settings, output, forwarding }: Session, { n }: Args): Promise<void> {
  const burst = Number(n);
  if (burst > MAX_BURST) {
    output.complain(`nb pkt per burst: ${burst} > ${MAX_BURST} (maximum packet per burst)  ignored`);
  } else {
    settings.burst = burst;
    output.print(`Number of packets per burst set to ${burst}`);
    await forwarding.apply();
  }
}

async function setRetry({ settings, forwarding }: Session, { us, n }: Args): Promise<void> {
  settings.burstTxDelay = Number(us);
  settings.burstTxRetries = Number(n);
  await forwarding.apply();
}

async function setVerbose({ settings, output, forwarding }: Session, { n }: Args): Promise<void> {
  output.print(`Change verbose level from ${settings.verbose} to ${Number(n)}`);
  settings.verbose = Number(n);
  await forwarding.apply();
}

/** Whether forwarding is stopped, as it must be for what would change its streams. */
function isStopped({ forwarding, output }: Session): boolean {
  if (forwarding.running) output.complain('Please stop forwarding first');
  return !forwarding.running;
}

function setCorelist(session: Session, { list }: Args): void {
  const ids = list.split(',').map(Number);
  if (isStopped(session) && areDifferent(session, 'core', ids)) chooseCores(session, ids);
}

function setCoremask(session: Session, { mask }: Args): void {
  const ids = bitsOf(mask);
  if (/^(0x)?0+$/i.test(mask)) session.output.complain('Invalid NULL mask of cores');
  else if (ids === null) session.output.print('Bad arguments');
  else if (isStopped(session)) chooseCores(session, ids);
}

function areDifferent({ output }: Session, what: string, ids: readonly number[]): boolean {
  const first = ids.findIndex((id, i) => ids.indexOf(id, i + 1) >= 0);
  if (first < 0) return true;
  const again = ids.indexOf(ids[first], first + 1);
  output.complain(`duplicated ${what} ${ids[first]} at index ${first} and ${again}`);
  return false;
}

function chooseCores({ settings, lcores, output }: Session, ids: readonly number[]): void {
  const fault = lcoreFault(lcores, ids);
  if (fault !== null) {
    output.complain(fault);
    return;
  }
  const before = settings.nbCores;
  settings.coreList = [...ids];
  settings.nbCores = ids.length;
  if (before !== ids.length)
    output.print(
      `previous number of forwarding cores ${before} - changed to number of configured cores ${ids.length}`,
    );
}

function setPortmask(session: Session, { mask }: Args): void {
  const ids = bitsOf(mask);
  const open = ids?.filter((id) => session.ports.open.some((port) => port.id === id)) ?? [];
  if (open.length === 0) session.output.print('Bad arguments');
  else if (isStopped(session)) choosePorts(session, open);
}

/** The bits that are set; null if there are none, or it is no mask. */
function bitsOf(mask: string): number[] | null {
  if (!/^(0x)?[0-9a-f]{1,32}$/i.test(mask)) return null;
  const value = BigInt(/^0x/i.test(mask) ? mask : `0x${mask}`);
  const bits = Array.from({ length: 128 }, (_, bit) => bit).filter((bit) => (value >> BigInt(bit)) & 1n);
  return bits.length > 0 ? bits : null;
}

function setDefault(session: Session): void {
  if (!isStopped(session)) return;
  session.output.print('Reset to default forwarding configuration...');
  Object.assign(session.settings, { portList: null, nbPorts: null, coreList: null, nbCores: 1 });
}

function setNbcore(session: Session, { n }: Args): void {
  const { settings, output, lcores } = session;
  const cores = Number(n);
  const most = settings.coreList?.length ?? lcores.forwarding.length;
  if (!isStopped(session)) return;
  if (cores > most) {
    output.complain(`nb fwd cores ${cores} > ${most} (max. number of configured lcores) - ignored`);
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
  const ids = list.split(',').map(Number);
  if (!isStopped(session) || !areDifferent(session, 'port', ids)) return;
  if (!ids.every((id) => portsNamed(session, String(id)))) return;
  choosePorts(session, ids);
}

function choosePorts({ ports, settings, output }: Session, ids: readonly number[]): void {
  const before = ports.forwarding.length;
  settings.portList = [...ids];
  settings.nbPorts = null;
  if (before !== ids.length)
    output.print(
      `previous number of forwarding ports ${before} - changed to number of configured ports ${ids.length}`,
    );
  ports.warnOfOdd();
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
