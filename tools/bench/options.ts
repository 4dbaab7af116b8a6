// SPDX-License-Identifier: BSD-3-Clause
// The options that the suites share, and the settings derived from them.
import { type Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { numberList, seconds, usableCpus, wholeNumber, wordList } from '../run/arguments.ts';
import { HUGEPAGES_WANTED, hugepagesFree } from '../run/dpdk.ts';
import { twoCpus } from '../run/workspace.ts';
import { PEERS, type PeerKind, type Settings } from './settings.ts';

const LARGEST_FRAME = 1518;
const SMALLEST_FRAME = 60;
const QUEUE_SIZES = [256, 1024] as const;
type QueueSize = (typeof QUEUE_SIZES)[number];

export interface CommonOptions {
  readonly peer: PeerKind;
  readonly rounds: number;
  readonly seconds: number;
  readonly queueSize: QueueSize;
  readonly packed?: true;
  readonly copying?: true;
  readonly huge: boolean;
  readonly cpus?: readonly [number, number];
  readonly json?: string;
}

/** The suite's cases as --cases selects them from `words`; `byDefault` if it is not given. */
export const casesOption = <Word extends string>(words: readonly Word[], byDefault: readonly Word[]) =>
  [
    '--cases <list>',
    `any of ${words.join(', ')}; rx and tx are seen from the back-end`,
    wordList(words),
    [...byDefault],
  ] as const;

/** Frame sizes of each case. */
export const sizesOption = (byDefault: readonly number[]) =>
  [
    '--sizes <list>',
    `frame sizes without FCS, ${SMALLEST_FRAME} to ${LARGEST_FRAME} bytes`,
    numberList(SMALLEST_FRAME, LARGEST_FRAME),
    [...byDefault],
  ] as const;

/** Ours does not use what net_vhost cannot do. */
export const copyingOption = () =>
  new Option(
    '--copying',
    'our driver copies every packet through mbufs, as net_vhost does, even where it could avoid that',
  );

/** What our back-end is compared with. */
export const againstOption = () =>
  new Option('--against <whom>', 'the other back-end: dpdk, its net_vhost')
    .choices(['dpdk'] as const)
    .default('dpdk' as const);

/** The options at the end of every suite's list; their values are CommonOptions. */
export function addCommonOptions(command: Command, choosesPeer: boolean): void {
  command
    .option('--rounds <n>', 'rounds of each case', wholeNumber(1, 1000), 5)
    .option('--seconds <s>', 'how long each side is measured in a round', seconds(600), 2)
    .addOption(
      new Option('--queue-size <n>', "entries of each of the peer's rings")
        .choices(QUEUE_SIZES.map(String))
        .argParser(queueSize)
        .default(256),
    );
  if (choosesPeer)
    command.addOption(
      new Option(
        '--peer <peer>',
        "the virtio-net driver at the other end: DPDK's virtio-user, or vhost-pci-peer",
      )
        .choices(PEERS)
        .default('dpdk' as const),
    );
  command
    .option('--packed', 'use packed rings')
    .option('--cpus <a,b>', 'CPU of the back-end and CPU of the peer (default: the first two)', cpuPair)
    .option('--no-huge', 'use no hugepages, on both sides')
    .option('--json <file>', 'also write the results to this file');
}

function queueSize(text: string): QueueSize {
  const size = QUEUE_SIZES.find((each) => `${each}` === text);
  if (size === undefined) throw new InvalidArgumentError('Expected 256 or 1024.');
  return size;
}

function cpuPair(text: string): readonly [number, number] {
  const [backEnd, peer, surplus] = text.split(',').map(wholeNumber(0, 1023));
  if (backEnd === undefined || peer === undefined || surplus !== undefined || backEnd === peer) {
    throw new InvalidArgumentError('Expected two different CPUs, such as 0,1.');
  }
  return usableCpus([backEnd, peer] as const);
}

/**
 * Throws VPCI_NO_CPU when this process may use only one CPU. `say` receives a line about each setting that
 * had to be changed.
 */
export function settle(options: CommonOptions, say: (line: string) => void): Settings {
  const [backEndCpu, peerCpu] = options.cpus ?? twoCpus(native.getAffinity());
  if (backEndCpu === peerCpu) {
    throw new PmdError(
      'VPCI_NO_CPU',
      'a comparison needs two CPUs, one for each side; this process may use only one',
    );
  }
  const { peer, rounds, seconds, queueSize } = options;
  return {
    ...{ peer, rounds, seconds, queueSize, backEndCpu, peerCpu },
    packed: options.packed ?? false,
    copying: options.copying ?? false,
    hugepages: options.huge && enoughHugepages(say),
  };
}

function enoughHugepages(say: (line: string) => void): boolean {
  const free = hugepagesFree();
  if (free >= HUGEPAGES_WANTED) return true;
  say(
    process.getuid?.() === 0
      ? `${free} free hugepages of 2 MiB, ${HUGEPAGES_WANTED} needed: both sides run without hugepages ` +
          "(to reserve them: 'echo 1024 > /proc/sys/vm/nr_hugepages')"
      : 'Hugepages need root: both sides run without hugepages',
  );
  return false;
}
