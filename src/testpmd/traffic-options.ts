// SPDX-License-Identifier: BSD-3-Clause
// The options about what txonly, flowgen and noisy send.
import { ipv4Number } from '../packet/ipv4.ts';
import { NOISY_MODES, type NoisyMode, type NoisyPlan, type TrafficPlan } from './fwd/traffic.ts';
import { type OptionRow, UsageError, wholeNumber } from './getopt.ts';
import type { Settings } from './settings.ts';

type Row = OptionRow<Settings>;
type NumbersOf<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

const MAX_INT = 0x7fff_ffff;
/** A queue of as many mbufs as a pool can have. */
const MAX_WAITING = 1 << 19;
const MAX_LOOKUP_MB = 4095;

function traffic(long: string, key: NumbersOf<TrafficPlan>, [min, max]: [number, number], help: string): Row {
  return {
    long: [long],
    arg: 'N',
    help,
    apply: (settings, value, name) => {
      settings.traffic[key] = wholeNumber(name, value, min, max);
    },
  };
}

function noisy(long: string, key: NumbersOf<NoisyPlan>, max: number, help: string): Row {
  return {
    long: [long],
    arg: 'N',
    help,
    apply: (settings, value, name) => {
      settings.traffic.noisy[key] = wholeNumber(name, value, 0, max);
    },
  };
}

export const trafficOptions: readonly Row[] = [
  {
    long: ['txonly-multi-flow'],
    help: 'packets of txonly have several source ports, 64 or --txonly-flows',
    apply: ({ traffic }) => {
      traffic.multiFlow = true;
    },
  },
  traffic('txonly-flows', 'flows', [1, 64], 'flows of each lcore with --txonly-multi-flow (default: 64)'),
  {
    long: ['tx-ip'],
    arg: 'SRC,DST',
    help: 'IPv4 addresses of packets of txonly (default: 198.18.0.1,198.18.0.2)',
    apply: ({ traffic }, value) => {
      const [source = '', destination = ''] = value.split(',');
      for (const address of [source, destination]) ipv4Number(address);
      Object.assign(traffic, { sourceIp: source, destinationIp: destination });
    },
  },
  {
    long: ['tx-udp'],
    arg: 'SRC[,DST]',
    help: 'UDP ports of packets of txonly (default: 9,9)',
    apply: ({ traffic }, value, name) => {
      const [source = '', destination = source] = value.split(',');
      traffic.sourcePort = wholeNumber(name, source, 0, 65535);
      traffic.destinationPort = wholeNumber(name, destination, 0, 65535);
    },
  },
  traffic(
    'flowgen-flows',
    'flowgenFlows',
    [1, MAX_INT],
    'destination addresses of flowgen, from 10.253.0.0 on (default: 1024)',
  ),
  traffic('flowgen-clones', 'flowgenClones', [0, 65535], 'copies of each packet of flowgen (default: 0)'),
  {
    long: ['noisy-forward-mode'],
    arg: 'MODE',
    help: `what noisy does to packets: ${NOISY_MODES.join(', ')} (default: io)`,
    apply: ({ traffic }, value, name) => {
      if (!NOISY_MODES.includes(value as NoisyMode))
        throw new UsageError(`option '${name}': '${value}' is not one of ${NOISY_MODES.join(', ')}`);
      traffic.noisy.forwardMode = value as NoisyMode;
    },
  },
  noisy(
    'noisy-tx-sw-buffer-size',
    'bufferSize',
    MAX_WAITING,
    'packets that wait in noisy, a power of two (default: 0)',
  ),
  noisy(
    'noisy-tx-sw-buffer-flushtime',
    'flushTime',
    MAX_INT,
    'milliseconds until they are sent anyway (default: 0, never)',
  ),
  noisy('noisy-lkup-memory', 'memory', MAX_LOOKUP_MB, 'megabytes that noisy looks up (default: 0)'),
  noisy('noisy-lkup-num-writes', 'writes', 65535, 'writes to them for each packet (default: 0)'),
  noisy('noisy-lkup-num-reads', 'reads', 65535, 'reads of them for each packet (default: 0)'),
  noisy('noisy-lkup-num-reads-writes', 'readsWrites', 65535, 'reads and writes for each packet (default: 0)'),
];

/** Why the options about noisy do not fit together; null if they do. */
export function noisyFault({ bufferSize, memory, writes, reads, readsWrites }: NoisyPlan): string | null {
  if ((bufferSize & (bufferSize - 1)) !== 0 || bufferSize === 1)
    return `option '--noisy-tx-sw-buffer-size': ${bufferSize} is not a power of two from 2 on`;
  return memory === 0 && writes + reads + readsWrites > 0
    ? "option '--noisy-lkup-memory' must be > 0 for lookups"
    : null;
}
