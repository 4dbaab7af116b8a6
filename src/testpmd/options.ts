// SPDX-License-Identifier: BSD-3-Clause
// The options after `--`: testpmd's own.
import { UDP_FRAME_HEADERS } from '../packet/frames.ts';
import { macBytes } from '../packet/mac.ts';
import { readText } from '../user-file.ts';
import { MAX_FILE_BYTES } from './commands/command-file.ts';
import { engineNames } from './fwd/engines.ts';
import { flowgenLength } from './fwd/flowgen.ts';
import { type OptionRow, UsageError, wholeNumber } from './getopt.ts';
import { notedOptions } from './noted-options.ts';
import {
  defaultSettings,
  MAX_BURST,
  MAX_MBUF_SIZE,
  MAX_TX_SEGMENTS,
  MBUF_HEADROOM,
  RX_INTERRUPT_MODES,
  type RxInterruptMode,
  type Settings,
  type Topology,
} from './settings.ts';
import { softOptions } from './soft-options.ts';
import { rxModes } from './soft-port.ts';
import { trafficOptions } from './traffic-options.ts';

type Row = OptionRow<Settings>;

const accepted = (why: string, names: string, arg?: string): Row[] =>
  names.split(' ').map((name) => ({ long: [name], arg, why }));

/** A row that sets a number. */
function numeric(
  long: string,
  key: { [K in keyof Settings]: Settings[K] extends number | null ? K : never }[keyof Settings],
  range: readonly [number, number],
  help: string,
): Row {
  return {
    long: [long],
    arg: 'N',
    help,
    apply: (settings, value, name) => {
      (settings[key] as number) = wholeNumber(name, value, range[0], range[1]);
    },
  };
}

/** A row that sets a boolean. */
function flag(
  names: Pick<Row, 'long' | 'short'>,
  key: { [K in keyof Settings]: Settings[K] extends boolean ? K : never }[keyof Settings],
  value: boolean,
  help: string,
): Row {
  return {
    ...names,
    help,
    apply: (settings) => {
      (settings[key] as boolean) = value;
    },
  };
}

export const testpmdOptions: readonly Row[] = [
  flag({ long: ['interactive'], short: 'i' }, 'interactive', true, 'run interactively, with a prompt'),
  flag({ long: ['auto-start'], short: 'a' }, 'autoStart', true, 'with -i: start forwarding at once'),
  flag({ long: ['help'], short: 'h' }, 'help', true, 'show this help'),
  flag(
    { long: ['tx-first'] },
    'txFirst',
    true,
    'send a burst on each stream first; at the prompt: start tx_first',
  ),
  commandFile('cmdline-file', true, 'run the commands of a file first'),
  commandFile('cmdline-file-noecho', false, 'the same, without echo'),
  numeric('stats-period', 'statsPeriod', [0, 86400], 'without a prompt: show statistics every N seconds'),
  {
    long: ['forward-mode'],
    arg: 'MODE',
    help: `${engineNames.join(', ')} (default: io)`,
    apply: (settings, value, name) => {
      settings.mode = oneOf(name, value, engineNames);
    },
  },
  {
    long: ['burst'],
    arg: 'N',
    help: `packets per burst, 1 to ${MAX_BURST}, or 0 for the default (32)`,
    apply: (settings, value, name) => {
      settings.burst = wholeNumber(name, value, 0, MAX_BURST) || defaultSettings().burst;
    },
  },
  {
    long: ['txpkts'],
    arg: 'X[,Y]',
    help: 'lengths in bytes of the segments of packets of txonly (default: 64)',
    apply: (settings, value, name) => {
      settings.txSegments = value.split(',').map((part) => wholeNumber(name, part, 1, 65535));
    },
  },
  numeric('nb-cores', 'nbCores', [1, 127], 'number of forwarding lcores (default: 1)'),
  numeric('nb-ports', 'nbPorts', [1, 32], 'number of forwarding ports (default: all)'),
  ports('portmask', 'MASK', maskPorts),
  ports('portlist', 'LIST', listPorts),
  {
    long: ['port-topology'],
    arg: 'T',
    help: 'paired, chained or loop (default: paired)',
    apply: (settings, value, name) => {
      settings.topology = oneOf(name, value, ['paired', 'chained', 'loop']) as Topology;
    },
  },
  numeric('rxq', 'rxQueues', [1, 1024], 'RX queues of each port (default: 1)'),
  numeric('txq', 'txQueues', [1, 1024], 'TX queues of each port (default: 1)'),
  numeric(
    'rxd',
    'rxDescriptors',
    [0, 65535],
    'descriptors of receive queues of ports without rings; a peer chooses its own',
  ),
  numeric(
    'txd',
    'txDescriptors',
    [0, 65535],
    'descriptors of transmit queues of ports without rings; a peer chooses its own',
  ),
  {
    long: ['mbuf-size'],
    arg: 'N',
    help: 'bytes of an mbuf, 128 of headroom included (default: 2176)',
    apply: (settings, value, name) => {
      const [first = 0, ...more] = value
        .split(',')
        .map((size) => wholeNumber(name, size, MBUF_HEADROOM + 64, MAX_MBUF_SIZE));
      settings.mbufSize = first;
      if (more.length > 0)
        settings.notes.push(
          `${name}: ${more.join(',')} has no effect: no port here takes mbufs of two pools`,
        );
    },
  },
  numeric(
    'total-num-mbufs',
    'mbufs',
    [1024, 1 << 20],
    "mbufs in each forwarding lcore's pool (default: 4858)",
  ),
  {
    long: ['eth-peer'],
    arg: 'PORT,MAC',
    help: 'destination MAC address of what a port sends in modes mac and txonly',
    apply: (settings, value, name) => {
      const [port = '', mac = ''] = value.split(',');
      macBytes(mac);
      settings.ethPeers.set(wholeNumber(name, port, 0, 31), mac.toUpperCase());
    },
  },
  {
    long: ['rx-interrupt'],
    arg: 'MODE',
    help: 'off: always poll; on: sleep when no packets arrive; adaptive: poll for a while first (default: off)',
    apply: (settings, value, name) => {
      settings.rxInterrupt = oneOf(name, value, RX_INTERRUPT_MODES) as RxInterruptMode;
    },
  },
  flag(
    { long: ['no-lsc-interrupt'] },
    'lscInterrupt',
    false,
    'print no link events; wait for links at start',
  ),
  flag({ long: ['disable-link-check'] }, 'linkCheck', false, 'do not wait for links at start'),
  flag(
    { long: ['no-in-place'] },
    'inPlace',
    false,
    "copy through mbufs even where io and txonly could work in the peer's buffers",
  ),
  flag({ long: ['record-core-cycles'] }, 'recordCycles', true, 'count the CPU cycles per packet'),
  ...accepted('memory is taken where the lcore runs', 'numa no-numa'),
  ...accepted(
    'packet memory is never paged out, other memory never read by a poll loop',
    'mlockall no-mlockall',
  ),
  ...accepted('no device here reads physical addresses', 'no-iova-contig'),
  ...accepted('removals are always noticed', 'no-rmv-interrupt'),
  ...accepted('queues are not flushed before forwarding', 'no-flush-rx'),
  flag(
    { long: ['hot-plug'] },
    'hotPlug',
    true,
    'attach socket devices again when they come back, and keep running without ports',
  ),
  numeric(
    'latencystats',
    'latencyLcore',
    [0, 127],
    'measure how long packets take to pass; figures are kept while lcore N forwards',
  ),
  numeric(
    'bitrate-stats',
    'bitrateLcore',
    [0, 127],
    'measure bits a second of ports; figures are kept while lcore N forwards',
  ),
  flag({ long: ['record-burst-stats'] }, 'recordBursts', true, 'count bursts by their size'),
  ...softOptions,
  ...accepted('frames have no check sequence here', 'disable-crc-strip'),
  ...accepted('rules end with their port, or by flow flush', 'disable-flow-flush'),
  ...accepted('packets of several segments are always received', 'enable-scatter'),
  ...accepted(
    'memory is taken where the lcore runs',
    'socket-num numa-mem port-numa-config ring-numa-config',
    'X',
  ),
  ...accepted('a pool belongs to one lcore and needs no cache', 'mbcache', 'N'),
  ...accepted('--no-huge chooses the kind of pages', 'mp-alloc', 'X'),
  ...accepted(
    'events of links and removals are printed, see --no-lsc-interrupt',
    'print-event mask-event',
    'X',
  ),
  {
    long: ['coremask'],
    arg: 'MASK',
    help: 'forwarding lcores, as a hexadecimal mask (default: the first)',
    apply: (settings, value, name) => {
      settings.coreList = maskBits(name, value, 'lcores');
      settings.nbCores = settings.coreList.length;
    },
  },
  {
    long: ['eth-peers-configfile'],
    arg: 'FILE',
    help: 'as --eth-peer, from a file: the MAC address of port 0 in the first line, and so on',
    apply: (settings, value) => {
      for (const [port, mac] of peersOf(value).entries()) settings.ethPeers.set(port, mac);
    },
  },
  {
    long: ['display-xstats'],
    arg: 'NAME[,NAME]',
    help: 'also show these extended statistics with --stats-period',
    apply: (settings, value) => {
      settings.displayXstats = value.split(',');
    },
  },
  numeric('num-procs', 'procs', [1, 1], 'number of processes that share the ports: 1'),
  numeric('proc-id', 'procId', [0, 0], 'number of this process: 0'),
  {
    long: ['max-pkt-len'],
    arg: 'N',
    help: 'sets the MTU of ports to N - 18, Ethernet and check sequence, where the peer does not',
    apply: (settings, value, name) => {
      settings.maxPktLen = wholeNumber(name, value, 64, 65535);
    },
  },
  offloads('rx'),
  offloads('tx'),
  ...trafficOptions,
  ...notedOptions,
  ...accepted(
    'rings here have no such thresholds',
    'rxpt rxht rxwt rxfreet txpt txht txwt txfreet txrst',
    'N',
  ),
];

/** Bits that no port can have are refused when ports are configured. */
function offloads(role: 'rx' | 'tx'): Row {
  return {
    long: [`${role}-offloads`],
    arg: 'MASK',
    help:
      role === 'tx'
        ? 'offloads that ports must have, in hexadecimal; 0x4, 0x8: csum set udp, tcp hw'
        : 'offloads that ports must have, in hexadecimal; those of software are turned on: 0x1 VLAN_STRIP, ...',
    apply: (settings, value, name) => {
      if (!/^(0x)?[0-9a-f]{1,13}$/i.test(value))
        throw new UsageError(`option '${name}': '${value}' is not a hexadecimal mask`);
      const mask = Number.parseInt(value.replace(/^0x/i, ''), 16);
      settings[`${role}Offloads`] = mask;
      if (role === 'rx') settings.soft.modes = rxModes(mask % 2 ** 32);
    },
  };
}

/** The MAC addresses in a file, one on each line. */
function peersOf(path: string): string[] {
  let text: string;
  try {
    text = readText(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new UsageError(`option '--eth-peers-configfile': ${(error as Error).message}`);
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  for (const line of lines) macBytes(line.trim());
  return lines.map((line) => line.trim().toUpperCase());
}

function commandFile(long: string, echo: boolean, help: string): Row {
  return {
    long: [long],
    arg: 'FILE',
    help,
    apply: (settings, value) => {
      settings.commandFile = value;
      settings.commandFileEcho = echo;
    },
  };
}

function ports(long: string, arg: string, parse: (name: string, value: string) => number[]): Row {
  return {
    long: [long],
    arg,
    help: `forwarding ports, as a ${arg === 'MASK' ? 'hexadecimal mask' : 'list such as 0,2-3'} (default: all)`,
    apply: (settings, value, name) => {
      settings.portList = parse(name, value);
    },
  };
}

function maskPorts(name: string, value: string): number[] {
  return maskBits(name, value, 'ports');
}

function maskBits(name: string, value: string, what: string): number[] {
  const mask = /^(0x)?[0-9a-f]{1,8}$/i.test(value) ? Number.parseInt(value.replace(/^0x/i, ''), 16) : 0;
  if (mask === 0) throw new UsageError(`option '${name}': '${value}' is not a hexadecimal mask of ${what}`);
  return Array.from({ length: 32 }, (_, id) => id).filter((id) => (mask >>> id) & 1);
}

function listPorts(name: string, value: string): number[] {
  const ids = value.split(',').flatMap((part) => {
    const [from = '', to = from] = part.split('-');
    if (from === '' || to === '')
      throw new UsageError(
        `option '${name}': '${part}' is neither a port from 0 to 31 nor a range such as 0-3`,
      );
    const first = wholeNumber(name, from, 0, 31);
    const last = wholeNumber(name, to, first, 31);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set(ids)];
}

function oneOf(name: string, value: string, words: readonly string[]): string {
  if (words.includes(value)) return value;
  throw new UsageError(`option '${name}': '${value}' is not one of ${words.join(', ')}`);
}

/** Why these segments cannot be sent, in testpmd's words; null when they can. */
export function txSegmentsFault(settings: Settings, lengths: readonly number[]): string | null {
  const room = settings.mbufSize - MBUF_HEADROOM;
  if (lengths.length > MAX_TX_SEGMENTS)
    return `Number of segment lengths = ${lengths.length} > ${MAX_TX_SEGMENTS} (maximum items)`;
  const long = lengths.findIndex((length) => length > room);
  if (long >= 0) return `length[${long}]=${lengths[long]} > mbuf_data_size=${room} - give up`;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total < UDP_FRAME_HEADERS) return `total packet length=${total} < ${UDP_FRAME_HEADERS} - give up`;
  return total > 65535 ? `total packet length=${total} > 65535 - give up` : null;
}

/** The same for flowgen, whose packets have one segment. */
export function flowgenFault(settings: Settings): string | null {
  const length = flowgenLength(settings.txSegments);
  if (length < UDP_FRAME_HEADERS) return `total packet length=${length} < ${UDP_FRAME_HEADERS} - give up`;
  return txSegmentsFault(settings, [length]);
}
