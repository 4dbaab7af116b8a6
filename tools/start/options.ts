// SPDX-License-Identifier: BSD-3-Clause
// The options of `npm start`.
import { Option } from '@commander-js/extra-typings';
import { wholeNumber } from '../run/arguments.ts';
import { newCommand } from '../run/command.ts';

export const FORWARD_MODES = ['io', 'mac', 'macswap', 'rxonly', 'txonly'] as const;
export type ForwardMode = (typeof FORWARD_MODES)[number];

export interface DemoOptions {
  readonly peer: 'builtin' | 'dpdk';
  /** Bytes of a frame, FCS not counted. */
  readonly size: number;
  /** Seconds of traffic. */
  readonly duration: number;
  readonly forwardMode: ForwardMode;
  /** Packets per burst. */
  readonly burst: number;
  /** Queue pairs. */
  readonly queues: number;
  /** RFC 2.1: both sides are this PMD. */
  readonly symmetric: boolean;
  readonly unidirectional: boolean;
  readonly interactive: boolean;
  readonly verbose: boolean;
}

/** Limits of the built-in peer's frame size in bytes. */
const SMALLEST_FRAME = 60;
const LARGEST_FRAME = 9000;

/** Parses the command line; a mistake ends the program with one line. */
export function parseOptions(): DemoOptions {
  const options = command.parse().opts();
  if (options.unidirectional && !options.symmetric)
    command.error('error: --unidirectional needs --symmetric');
  if (options.symmetric && options.peer === 'dpdk')
    command.error('error: --peer=dpdk has no use with --symmetric: both sides are the PMD');
  return options;
}

export const command = newCommand('npm start', 'npm start --')
  .description(
    'A virtio-net driver and this PMD exchange packets through a vhost-pci device on this machine: three processes, no root, no VM.',
  )
  .addOption(
    new Option('--peer <peer>', "the other end: the built-in peer, or DPDK's testpmd with virtio-user")
      .choices(['builtin', 'dpdk'] as const)
      .default('builtin' as const),
  )
  .option(
    '--size <bytes>',
    `frame size without FCS, ${SMALLEST_FRAME} to ${LARGEST_FRAME}`,
    wholeNumber(SMALLEST_FRAME, LARGEST_FRAME),
    64,
  )
  .option('--duration <seconds>', 'how long packets flow, 1 to 3600', wholeNumber(1, 3600), 10)
  .addOption(
    new Option('--forward-mode <mode>', "testpmd's forward mode")
      .choices(FORWARD_MODES)
      .default('macswap' as const),
  )
  .option('--burst <n>', 'packets per burst', wholeNumber(1, 512), 32)
  .option('--queues <n>', 'queue pairs, 1 to 16', wholeNumber(1, 16), 1)
  .option('--symmetric', 'RFC 2.1: two PMDs over a small memory, which is all that they share', false)
  .option('--unidirectional', 'with --symmetric: no side can write what the other writes', false)
  .option('--interactive', "show testpmd's prompt meanwhile; its command quit ends everything", false)
  .option('--verbose', 'show the output of all programs', false)
  .addHelpText(
    'after',
    `
Ctrl-C ends it early, with the totals. Exit status: 0 if the check passed, 130
after Ctrl-C, 1 on failure, 2 for a wrong option.`,
  );
