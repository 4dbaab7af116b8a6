// SPDX-License-Identifier: BSD-3-Clause
// What options say together: nothing is accepted and then without effect, or writes over another.
import type { PmdError } from '../../src/errors.ts';
import { fileIdentity, statusOf } from '../../src/file-identity.ts';
import { compileFilter } from '../../src/pdump/filter.ts';
import { deviceOf, workloadOf } from './bench-port.ts';
import { reflects, searches } from './modes.ts';
import type { Options } from './options.ts';
import { streamOf } from './streams-file.ts';

type Key = keyof Options;

const TCP = ['tcpFlags', 'tcpSeq', 'tcpAck'] as const;
const FIELDS = ['srcMac', 'dstMac', 'vlan', 'srcIp', 'dstIp', 'srcPort', 'dstPort', ...TCP] as const;
const FRAMES = ['size', 'protocol', ...FIELDS, 'burst', 'poisson', 'count'] as const;
const PEER = ['peer', 'peerCpu', 'queueSize', 'dropAbove'] as const;
const SEARCH = ['trialTime', 'searchTime', 'precision', 'qFull', 'maxLatency'] as const;
const CAPTURE = ['captureOf', 'captureFilter', 'captureSize', 'snaplen'] as const;
const LIMITS = ['maxLoss', 'maxUnsent', 'return'] as const;
const GENERATOR = ['control', 'rate', 'lineRate', 'seed', 'maxLag', 'drain', 'streams'] as const;
const FIGURES = ['csv', 'hgrm', 'html'] as const;
const REPLAY = ['loops', 'speed', 'gaps'] as const;

interface Rule {
  readonly applies: (options: Options) => boolean;
  /** Options that then have no effect. */
  readonly keys: readonly Key[];
  readonly because: string;
}

const RULES: readonly Rule[] = [
  {
    applies: reflects,
    keys: [...FRAMES, ...SEARCH, ...GENERATOR, ...LIMITS, ...FIGURES, 'frameSizes', 'filePrefix'],
    because: 'not with --reflect, which only sends frames back',
  },
  {
    applies: ({ watch }) => watch !== undefined,
    keys: [
      ...['allow', 'vdev', 'cpu', 'hugepages', 'ping', 'replay', 'capture', 'frameSizes', 'json', 'warmUp'],
      ...['filePrefix', ...PEER, ...FRAMES, ...SEARCH, ...CAPTURE, ...GENERATOR, ...LIMITS, ...FIGURES],
      ...REPLAY,
    ] as Key[],
    because: 'not with --watch, which only looks',
  },
  {
    applies: (options) => deviceOf(options) !== undefined,
    keys: PEER,
    because: 'of the built-in peer, which is not there when a device is named',
  },
  { applies: ({ rfc2544 }) => rfc2544 === undefined, keys: ['frameSizes'], because: 'requires --rfc2544' },
  {
    applies: (options) => !searches(options),
    keys: SEARCH,
    because: 'requires a search: --ndr, --pdr or --rfc2544',
  },
  {
    applies: searches,
    keys: ['hgrm', 'warmUp', 'control', 'filePrefix', ...LIMITS],
    because: 'not with a search',
  },
  { applies: searches, keys: ['count'], because: 'not with a search, whose trials have a length' },
  {
    applies: ({ rfc2544 }) => rfc2544 !== undefined,
    keys: ['size'],
    because: 'not with --rfc2544, whose sizes are --frame-sizes',
  },
  {
    applies: ({ replay }) => replay !== undefined,
    keys: [...FRAMES, 'seed'],
    because: 'not with --replay, which sends the packets of its file',
  },
  { applies: ({ replay }) => replay === undefined, keys: REPLAY, because: 'requires --replay' },
  {
    applies: ({ rate, loops }) => rate !== undefined || loops === 0,
    keys: ['gaps'],
    because: 'not with --rate or --loops 0: it compares with the gaps of the capture, packet by packet',
  },
  {
    applies: ({ streams }) => streams !== undefined,
    keys: FRAMES,
    because: 'not with --streams, whose file says what the frames are',
  },
  { applies: (options) => !reflects(options), keys: ['ip'], because: 'requires --reflect' },
  { applies: ({ capture }) => capture === undefined, keys: CAPTURE, because: 'requires --capture' },
  { applies: ({ html }) => html === undefined, keys: ['compare'], because: 'requires --html' },
  { applies: ({ telemetry }) => !telemetry, keys: ['filePrefix'], because: 'not with --no-telemetry' },
  {
    applies: ({ ping }) => ping === true,
    keys: ['burst', 'poisson', 'lineRate'],
    because: 'not with --ping, which sends one frame at a time',
  },
  {
    applies: ({ rate }) => rate === 'max',
    keys: ['burst', 'poisson'],
    because: 'not with --rate max, which leaves no time between frames',
  },
  {
    applies: ({ replay, return: returns }) => replay !== undefined || !returns,
    keys: ['hgrm'],
    because: 'latencies need numbered frames that come back: not with --replay or --no-return',
  },
];

export const flagOf = (key: string): string =>
  key === 'return' ? '--no-return' : `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** What is wrong, in one line that begins with an option; undefined if nothing is. */
export function mistakeIn(options: Options, isGiven: (key: Key) => boolean): string | undefined {
  return (
    fileMistake(options) ?? ineffective(options, isGiven) ?? filterMistake(options) ?? frameMistake(options)
  );
}

function ineffective(options: Options, isGiven: (key: Key) => boolean): string | undefined {
  for (const { applies, keys, because } of RULES) {
    const key = applies(options) ? keys.find(isGiven) : undefined;
    if (key !== undefined) return `${flagOf(key)}: ${because}`;
  }
  return undefined;
}

/** Each name is of a file of its own: what is written would replace what is read, or written before. */
function fileMistake(options: Options): string | undefined {
  const seen = new Map<string, Key>();
  for (const key of [
    ...(['replay', 'streams', 'compare', 'json', 'csv', 'hgrm', 'html', 'gaps', 'capture'] as const),
  ]) {
    const file = options[key];
    if ((key === 'html' || key === 'capture') && file === '-')
      return `--${key}: a ${key === 'html' ? 'page' : key} needs a file of its own`;
    if (file === undefined || file === '-') continue;
    if (file === '') return `${flagOf(key)}: the name is empty`;
    if (statusOf(file)?.isCharacterDevice()) continue;
    const identity = fileIdentity(file);
    const other = seen.get(identity);
    if (other !== undefined) return `${flagOf(other)} and ${flagOf(key)}: ${file} can be only one of them`;
    seen.set(identity, key);
  }
  return undefined;
}

/** Of the expression of a capture. Throws if there is no libpcap, which is no mistake of the options. */
function filterMistake({ captureFilter, snaplen }: Options): string | undefined {
  if (captureFilter === undefined) return undefined;
  if (captureFilter.trim() === '') return '--capture-filter: the expression is empty';
  try {
    compileFilter(captureFilter, snaplen);
    return undefined;
  } catch (error) {
    if ((error as PmdError).code === 'ENOENT') throw error;
    return `--capture-filter: ${(error as Error).message}`;
  }
}

/** Of the frames that the options describe. */
function frameMistake(options: Options): string | undefined {
  if ((options.streams ?? options.replay ?? options.watch) !== undefined || reflects(options))
    return undefined;
  try {
    workloadOf(options, [streamOf(options)]);
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^\w+(?=: )/, flagOf);
  }
}
