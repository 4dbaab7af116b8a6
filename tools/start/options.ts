// SPDX-License-Identifier: BSD-3-Clause
// What `npm start` can be told.
import { Command, Option } from '@commander-js/extra-typings';
import { wholeNumber } from '../run/arguments.ts';

export const FORWARD_MODES = ['io', 'mac', 'macswap', 'rxonly', 'txonly'] as const;
export type ForwardMode = (typeof FORWARD_MODES)[number];

export interface DemoOptions {
  readonly peer: 'builtin' | 'dpdk';
  /** Bytes of a frame, FCS not counted. */
  readonly size: number;
  /** Seconds of traffic. */
  readonly duration: number;
  readonly forwardMode: ForwardMode;
  /** Packets a burst. */
  readonly burst: number;
  /** Queue pairs. */
  readonly queues: number;
  readonly interactive: boolean;
  readonly verbose: boolean;
}

/** What the built-in peer's frames need at least and hold at most. */
const SMALLEST_FRAME = 60;
const LARGEST_FRAME = 9000;

export const command = new Command('npm start --')
  .description(
    'A virtio-net driver and this PMD exchange packets through a vhost-pci device, on this machine.',
  )
  .addOption(
    new Option('--peer <peer>', "the other end: the built-in peer, or DPDK's virtio-user (dpdk-testpmd)")
      .choices(['builtin', 'dpdk'] as const)
      .default('builtin' as const),
  )
  .option('--size <bytes>', 'frame without FCS', wholeNumber(SMALLEST_FRAME, LARGEST_FRAME), 64)
  .option('--duration <seconds>', 'how long packets flow', wholeNumber(1, 3600), 10)
  .addOption(
    new Option('--forward-mode <mode>', 'what the PMD does with packets')
      .choices(FORWARD_MODES)
      .default('macswap' as const),
  )
  .option('--burst <n>', 'packets a burst', wholeNumber(1, 512), 32)
  .option('--queues <n>', 'queue pairs', wholeNumber(1, 16), 1)
  .option('--interactive', "give testpmd's prompt while packets flow; 'quit' ends it", false)
  .option('--verbose', 'show what the programs print', false)
  .addHelpText('after', '\nExit code 0 when all that came back was right, 1 when not, 2 for wrong usage.');
