#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench: the suites as a command line. Progress goes to stderr, the table to stdout.
import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { failedTo, PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { numberList, seconds, wholeNumber, wordList } from '../run/arguments.ts';
import { HUGEPAGES_WANTED, hugepagesFree, requireDpdk } from '../run/dpdk.ts';
import { onOutputEnd } from '../run/output.ts';
import { exitOnSignals, twoCpus, Workspace } from '../run/workspace.ts';
import { casesOf, DIRECTIONS } from './cases.ts';
import { interrupts } from './interrupts.ts';
import { limit } from './limit.ts';
import { loopback } from './loopback.ts';
import { describeMachine } from './machine.ts';
import {
  idleTable,
  interruptTable,
  limitTable,
  loopbackTable,
  machineLine,
  type Report,
  reportJson,
} from './report.ts';
import { PEERS, type PeerKind, type Settings } from './settings.ts';

const NAME = 'vhost-pci-bench';
const LARGEST_FRAME = 1518;
const SMALLEST_FRAME = 60;

/** The limit of 'io' would be that of a back-end that moves packets: there is none. */
const ONE_WAY = ['rx', 'tx'] as const;

/** A back-end that only sends has nothing to wait for. */
const WITH_RX = ['rx', 'io'] as const;

const frameSizes = numberList(SMALLEST_FRAME, LARGEST_FRAME);
const say = (line: string) => process.stderr.write(`${line}\n`);

function cpuPair(text: string): readonly [number, number] {
  const [backEnd, peer, surplus] = text.split(',').map(wholeNumber(0, 1023));
  if (backEnd === undefined || peer === undefined || surplus !== undefined || backEnd === peer) {
    throw new InvalidArgumentError('These are two different CPUs, such as 0,1.');
  }
  return [backEnd, peer];
}

interface CommonOptions {
  readonly peer: PeerKind;
  readonly rounds: number;
  readonly seconds: number;
  readonly queueSize: 256 | 1024;
  readonly huge: boolean;
  readonly cpus?: readonly [number, number];
}

const peerOption = () =>
  new Option('--peer <peer>', "the virtio-net driver at the other end: DPDK's virtio-user, or vhost-pci-peer")
    .choices(PEERS)
    .default('dpdk' as const);
const queueSizeOption = () =>
  new Option('--queue-size <n>', "entries of each of the peer's rings")
    .choices(['256', '1024'] as const)
    .argParser((text): 256 | 1024 => {
      if (text !== '256' && text !== '1024') throw new InvalidArgumentError('It is 256 or 1024.');
      return text === '256' ? 256 : 1024;
    })
    .default(256 as 256 | 1024);
const ROUNDS = ['--rounds <n>', 'rounds of each case', wholeNumber(1, 1000), 5] as const;
const SECONDS = ['--seconds <s>', 'window of a measurement', seconds(600), 2] as const;
const CPUS = [
  '--cpus <a,b>',
  'CPUs of the back-end and of the peer (default: the first two)',
  cpuPair,
] as const;
const NO_HUGE = ['--no-huge', 'no hugepages, on both sides'] as const;
const JSON_FILE = ['--json <file>', 'write {"suite","machine","rows"} there'] as const;

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
  .option('--cases <list>', 'directions, seen from the back-end', wordList(DIRECTIONS), [...DIRECTIONS])
  .option('--sizes <list>', 'bytes of a frame, FCS not counted', frameSizes, [64, 512, 1518])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .action(async (options) => {
    requireDpdk();
    const settings = settle(options);
    requireWritable(options.json);
    const workspace = new Workspace();
    const result = await loopback(settings, casesOf(options.cases, options.sizes), workspace, say);
    const machine = describeMachine(result.dpdkVersion, settings.hugepages);
    finish(
      { suite: 'loopback', machine, rows: result.rows },
      loopbackTable(result.rows),
      settings,
      options.json,
    );
  });

program
  .command('limit')
  .description("the peer's own ceiling: against a back-end that returns descriptors untouched")
  .option('--cases <list>', 'directions, seen from the back-end', wordList(ONE_WAY), [...ONE_WAY])
  .option('--sizes <list>', 'bytes of a frame, FCS not counted', frameSizes, [64])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
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
  .action(async (options) => {
    if (options.peer === 'dpdk') requireDpdk();
    const settings = settle(options);
    requireWritable(options.json);
    const workspace = new Workspace();
    const result = await limit(settings, casesOf(options.cases, options.sizes), workspace, say);
    const machine = describeMachine(result.dpdkVersion, settings.hugepages);
    finish({ suite: 'limit', machine, rows: result.rows }, limitTable(result.rows), settings, options.json);
  });

program
  .command('interrupts')
  .description('adaptive interrupt mode against polling, in turn, and what either uses when nothing comes')
  .option('--cases <list>', 'directions, seen from the back-end', wordList(WITH_RX), [...WITH_RX])
  .option('--sizes <list>', 'bytes of a frame, FCS not counted', frameSizes, [64])
  .option(...ROUNDS)
  .option(...SECONDS)
  .addOption(queueSizeOption())
  .addOption(peerOption())
  .option(...CPUS)
  .option(...NO_HUGE)
  .option(...JSON_FILE)
  .action(async (options) => {
    if (options.peer === 'dpdk') requireDpdk();
    const settings = settle(options);
    requireWritable(options.json);
    const cases = casesOf(options.cases, options.sizes);
    const result = await interrupts(settings, cases, new Workspace(), say);
    const machine = describeMachine(result.dpdkVersion, settings.hugepages);
    const rows = [...result.rows, ...result.idle];
    const tables = `${interruptTable(result.rows)}\n${idleTable(result.idle)}`;
    finish({ suite: 'interrupts', machine, rows }, tables, settings, options.json);
  });

function settle(options: CommonOptions): Settings {
  const [backEndCpu, peerCpu] = options.cpus ?? twoCpus(native.getAffinity());
  if (backEndCpu === peerCpu) {
    throw new PmdError(
      'VPCI_NO_CPU',
      'a comparison needs two CPUs, one for each side; this process may use one',
    );
  }
  const { peer, rounds, seconds, queueSize } = options;
  return {
    peer,
    rounds,
    seconds,
    queueSize,
    backEndCpu,
    peerCpu,
    hugepages: options.huge && enoughHugepages(),
  };
}

function enoughHugepages(): boolean {
  const free = hugepagesFree();
  if (free >= HUGEPAGES_WANTED) return true;
  say(
    process.getuid?.() === 0
      ? `Of 2 MiB hugepages ${free} are free, ${HUGEPAGES_WANTED} are wanted: both sides run without ` +
          "(to reserve them: 'echo 1024 > /proc/sys/vm/nr_hugepages')"
      : 'Hugepages are for root: both sides run without',
  );
  return false;
}

/** Better now than after ten minutes. */
function requireWritable(file: string | undefined): void {
  if (file === undefined) return;
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw failedTo(`write ${file}`, error);
  }
}

function finish(report: Report<unknown>, table: string, settings: Settings, file: string | undefined): void {
  const { peer, rounds, seconds, queueSize } = settings;
  console.log(table);
  console.log(`${rounds} rounds of ${seconds} s, peer ${peer}, rings of ${queueSize}, split, one queue pair`);
  console.log(machineLine(report.machine));
  if (file === undefined) return;
  try {
    writeFileSync(file, reportJson(report));
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
  process.exit(0);
} catch (error) {
  say(`${NAME}: ${(error as Error).message}`);
  process.exit(1);
}
