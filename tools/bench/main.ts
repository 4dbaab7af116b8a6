#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench: the suites as a command line. Progress goes to stderr, the table to stdout.
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import { failedTo } from '../../src/errors.ts';
import { share, wholeNumber, wordList } from '../run/arguments.ts';
import { requireDpdk } from '../run/dpdk.ts';
import { onOutputEnd, print, printed, tell } from '../run/output.ts';
import { exitOnSignals, Workspace } from '../run/workspace.ts';
import { type Case, casesOf, DIRECTIONS, type Direction } from './cases.ts';
import { describeMachine } from './instruments/machine.ts';
import {
  type CommonOptions,
  CPUS,
  frameSizes,
  JSON_FILE,
  NO_HUGE,
  PACKED,
  peerOption,
  queueSizeOption,
  ROUNDS,
  SECONDS,
  SIZES,
  SIZES_HELP,
  settle,
} from './options.ts';
import {
  idleTable,
  inPlaceTable,
  interruptTable,
  limitTable,
  loopbackTable,
  machineLine,
  reportJson,
  settingsLine,
} from './report.ts';
import type { PeerKind, Settings } from './settings.ts';
import { requirePeerFor } from './sides/peers.ts';
import { inPlace } from './suites/in-place.ts';
import { interrupts } from './suites/interrupts.ts';
import { FORWARD_MODES, latency } from './suites/latency.ts';
import { latencyHistograms, latencyTable } from './suites/latency-report.ts';
import { limit } from './suites/limit.ts';
import { loopback } from './suites/loopback.ts';

const NAME = 'vhost-pci-bench';

const CASES = '--cases <list>';
const BY_DEFAULT: readonly Direction[] = ['rx', 'tx', 'io'];
const casesHelp = (words: readonly string[]) => `of ${words.join(', ')}, seen from the back-end`;

/** What io, and txonly, can do without mbufs. */
const IN_PLACE = ['tx', 'io', 'relay'] as const;
const IN_PLACE_BY_DEFAULT: readonly Direction[] = ['tx', 'io'];

/** The limit of 'io' would be that of a back-end that moves packets: there is none. */
const ONE_WAY = ['rx', 'tx'] as const;

/** A back-end that only sends has nothing to wait for. */
const WITH_RX = ['rx', 'io'] as const;

const program = new Command(NAME)
  .description(
    'Packets a second, one core each side, measured at the peer: the same instrument for every back-end.',
  )
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, `${NAME}: `)) });

program
  .command('loopback')
  .description("the same peer against this driver and against DPDK's net_vhost, in turn")
  .addOption(
    new Option('--against <whom>', 'the yardstick').choices(['dpdk'] as const).default('dpdk' as const),
  )
  .option(CASES, casesHelp(DIRECTIONS), wordList(DIRECTIONS), [...BY_DEFAULT])
  .option('--copying', 'ours copies every packet through mbufs, as net_vhost does, also where it need not')
  .option(SIZES, SIZES_HELP, frameSizes, [64, 512, 1518])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
  .option(...PACKED)
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .addHelpText(
    'after',
    `
macswap is rewritten in TypeScript on our side. relay is io between two ports, each with a driver of
the peer at its other end; a port that shows a peer's memory passes packets on in one copy.`,
  )
  .action((options) => {
    requireDpdk();
    const cases = casesFor(options);
    return run('loopback', options, async (settings) => {
      const { rows, dpdkVersion } = await loopback(settings, cases, new Workspace(), tell);
      return { rows, dpdkVersion, table: loopbackTable(rows) };
    });
  });

program
  .command('limit')
  .description("the peer's own ceiling: against a back-end that returns descriptors untouched")
  .option('--touch', 'the back-end reads or writes each frame too, and does nothing else that a driver does')
  .option(CASES, casesHelp(ONE_WAY), wordList(ONE_WAY), [...ONE_WAY])
  .option(SIZES, SIZES_HELP, frameSizes, [64])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
  .option(...PACKED)
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .addHelpText(
    'after',
    `
What the peer gave to be filled must look received, so in the direction tx the first packets are
real ones; from then on only the used ring is written, and the peer finds the header and the frame
that its buffer held before.`,
  )
  .action((options) => {
    if (options.peer === 'dpdk') requireDpdk();
    const cases = casesFor(options);
    return run('limit', options, async (settings) => {
      const { rows, dpdkVersion } = await limit(
        settings,
        cases,
        new Workspace(),
        tell,
        options.touch ?? false,
      );
      return { rows, dpdkVersion, table: limitTable(rows) };
    });
  });

program
  .command('in-place')
  .description("work in the peer's own buffers against copying through mbufs, in turn")
  .option(CASES, casesHelp(IN_PLACE), wordList(IN_PLACE), [...IN_PLACE_BY_DEFAULT])
  .option(SIZES, SIZES_HELP, frameSizes, [64, 512, 1518])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
  .option(...PACKED)
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .addHelpText(
    'after',
    `
In place, txonly writes the headers of its frames and leaves the payload as it is; copying, it copies
whole frames.`,
  )
  .action((options) => {
    if (options.peer === 'dpdk') requireDpdk();
    const cases = casesFor(options);
    return run('in-place', options, async (settings) => {
      const { rows, dpdkVersion } = await inPlace(settings, cases, new Workspace(), tell);
      return { rows, dpdkVersion, table: inPlaceTable(rows) };
    });
  });

program
  .command('interrupts')
  .description('adaptive interrupt mode against polling, in turn, and what either uses when nothing comes')
  .option(CASES, casesHelp(WITH_RX), wordList(WITH_RX), [...WITH_RX])
  .option(SIZES, SIZES_HELP, frameSizes, [64])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
  .option(...PACKED)
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .action((options) => {
    if (options.peer === 'dpdk') requireDpdk();
    const cases = casesFor(options);
    return run('interrupts', options, async (settings) => {
      const { rows, idle, dpdkVersion } = await interrupts(settings, cases, new Workspace(), tell);
      const table = `${interruptTable(rows)}\n${idleTable(idle)}`;
      return { rows: [...rows, ...idle], dpdkVersion, table };
    });
  });

program
  .command('latency')
  .description("how long frames take to the back-end and back at one rate, ours and DPDK's net_vhost in turn")
  .addOption(
    new Option('--against <whom>', 'the yardstick').choices(['dpdk'] as const).default('dpdk' as const),
  )
  .addOption(
    new Option('--mode <mode>', "the back-ends' forward mode").choices(FORWARD_MODES).default('io' as const),
  )
  .option('--load <share>', 'the rate, as a share of what net_vhost forwards in io mode', share, 0.1)
  .addOption(
    new Option('--rate <pps>', 'the rate, in frames a second')
      .argParser(wholeNumber(1, 1e9))
      .conflicts('load'),
  )
  .option(SIZES, SIZES_HELP, frameSizes, [64])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .option(...PACKED)
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .addHelpText(
    'after',
    `
A frame's time runs from when it was due, not from when it was sent: what waits behind a stall counts.`,
  )
  .action((options) => {
    requireDpdk();
    const cases = casesOf([options.mode], options.sizes);
    const load = options.rate === undefined ? { share: options.load } : { rate: options.rate };
    return run('latency', { ...options, peer: 'builtin' }, async (settings) => {
      const { rows, dpdkVersion } = await latency(settings, cases, load, new Workspace(), tell);
      return { rows, dpdkVersion, table: [latencyTable(rows), ...rows.map(latencyHistograms)].join('\n') };
    });
  });

function casesFor(options: {
  readonly peer: PeerKind;
  readonly cases: readonly Direction[];
  readonly sizes: readonly number[];
}): Case[] {
  const cases = casesOf(options.cases, options.sizes);
  requirePeerFor(options.peer, cases);
  return cases;
}

interface Outcome {
  readonly rows: readonly unknown[];
  readonly dpdkVersion: string | undefined;
  readonly table: string;
}

async function run(
  suite: string,
  options: CommonOptions,
  measureAll: (settings: Settings) => Promise<Outcome>,
): Promise<void> {
  const settings = settle(options, tell);
  requireWritable(options.json);
  const { rows, dpdkVersion, table } = await measureAll(settings);
  const machine = describeMachine(dpdkVersion, settings.hugepages);
  print(table);
  print(settingsLine(settings));
  print(machineLine(machine));
  if (options.json === undefined) return;
  try {
    writeFileSync(options.json, reportJson({ suite, machine, settings, rows }));
  } catch (error) {
    throw failedTo(`write ${options.json}`, error);
  }
}

/** Better now than after ten minutes. */
function requireWritable(file: string | undefined): void {
  if (file === undefined) return;
  try {
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new Error('it is a directory');
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw failedTo(`write ${file}`, error);
  }
}

for (const command of [program, ...program.commands]) {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}
exitOnSignals();
onOutputEnd(() => process.exit(0));
try {
  await program.parseAsync();
  await printed();
  process.exit(0);
} catch (error) {
  tell(`${NAME}: ${(error as Error).message}`);
  process.exit(1);
}
