// SPDX-License-Identifier: BSD-3-Clause
// The options that the suites share, and the settings that come of them.
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { numberList, seconds, usableCpus, wholeNumber } from '../run/arguments.ts';
import { HUGEPAGES_WANTED, hugepagesFree } from '../run/dpdk.ts';
import { twoCpus } from '../run/workspace.ts';
import { PEERS, type PeerKind, type Settings } from './settings.ts';

const LARGEST_FRAME = 1518;
const SMALLEST_FRAME = 60;

export interface CommonOptions {
  readonly peer: PeerKind;
  readonly rounds: number;
  readonly seconds: number;
  readonly queueSize: 256 | 1024;
  readonly packed?: true;
  readonly copying?: true;
  readonly huge: boolean;
  readonly cpus?: readonly [number, number];
  readonly json?: string;
}

export const peerOption = () =>
  new Option('--peer <peer>', "the virtio-net driver at the other end: DPDK's virtio-user, or vhost-pci-peer")
    .choices(PEERS)
    .default('dpdk' as const);
export const queueSizeOption = () =>
  new Option('--queue-size <n>', "entries of each of the peer's rings")
    .choices(['256', '1024'] as const)
    .argParser((text): 256 | 1024 => {
      if (text !== '256' && text !== '1024') throw new InvalidArgumentError('Expected 256 or 1024.');
      return text === '256' ? 256 : 1024;
    })
    .default(256 as 256 | 1024);
export const frameSizes = numberList(SMALLEST_FRAME, LARGEST_FRAME);
export const SIZES = '--sizes <list>';
export const SIZES_HELP = 'bytes of a frame, FCS not counted';
export const ROUNDS = ['--rounds <n>', 'rounds of each case', wholeNumber(1, 1000), 5] as const;
export const SECONDS = ['--seconds <s>', 'window of a measurement', seconds(600), 2] as const;
export const CPUS = [
  '--cpus <a,b>',
  'CPUs of the back-end and of the peer (default: the first two)',
  cpuPair,
] as const;
export const PACKED = ['--packed', 'packed rings; else split ones'] as const;
export const NO_HUGE = ['--no-huge', 'no hugepages, on both sides'] as const;
export const JSON_FILE = ['--json <file>', 'write {"suite","machine","settings","rows"} there'] as const;

function cpuPair(text: string): readonly [number, number] {
  const [backEnd, peer, surplus] = text.split(',').map(wholeNumber(0, 1023));
  if (backEnd === undefined || peer === undefined || surplus !== undefined || backEnd === peer) {
    throw new InvalidArgumentError('Expected two different CPUs, such as 0,1.');
  }
  return usableCpus([backEnd, peer] as const);
}

/** Throws VPCI_NO_CPU when there is but one. `say` takes a line about what is not as wished. */
export function settle(options: CommonOptions, say: (line: string) => void): Settings {
  const [backEndCpu, peerCpu] = options.cpus ?? twoCpus(native.getAffinity());
  if (backEndCpu === peerCpu) {
    throw new PmdError(
      'VPCI_NO_CPU',
      'a comparison needs two CPUs, one for each side; this process may use one',
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
      ? `Of 2 MiB hugepages ${free} are free, ${HUGEPAGES_WANTED} are wanted: both sides run without ` +
          "(to reserve them: 'echo 1024 > /proc/sys/vm/nr_hugepages')"
      : 'Hugepages are for root: both sides run without',
  );
  return false;
}
