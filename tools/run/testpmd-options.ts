// SPDX-License-Identifier: BSD-3-Clause
// The part of a command line that is the same for our testpmd and for DPDK's.

/** What is left out is testpmd's own default. */
export interface TestpmdOptions {
  readonly forwardMode?: string | undefined;
  readonly burst?: number;
  /** Bytes of a generated frame, FCS not counted. */
  readonly frameSize?: number;
  /** RX and TX queues of each port. */
  readonly queues?: number;
  /** Descriptors of each queue. */
  readonly ringSize?: number;
  readonly autoStart?: boolean;
  /** With the prompt. */
  readonly interactive?: boolean;
  /** Further options, as they are typed. */
  readonly more?: readonly string[];
}

/** mbufs of each pool where two testpmds are compared. */
export const MBUFS = 16384;

/** What follows the "--". */
export function testpmdArguments(options: TestpmdOptions): string[] {
  const { forwardMode, burst, frameSize, queues, ringSize } = options;
  return [
    ...(options.interactive ? ['-i'] : []),
    ...(forwardMode === undefined ? [] : [`--forward-mode=${forwardMode}`]),
    ...(burst === undefined ? [] : [`--burst=${burst}`]),
    ...(frameSize === undefined ? [] : [`--txpkts=${frameSize}`]),
    ...(queues === undefined ? [] : [`--rxq=${queues}`, `--txq=${queues}`]),
    ...(ringSize === undefined ? [] : [`--rxd=${ringSize}`, `--txd=${ringSize}`]),
    ...(options.autoStart ? ['--auto-start'] : []),
    ...(options.more ?? []),
  ];
}

/** All lcores on one CPU, or the main one on another: testpmd wants one beside those that forward, and it sleeps nearly always. */
export const lcoresOn = (cpu: number, forwarding = 1, main = cpu): string =>
  Array.from({ length: forwarding + 1 }, (_, id) => `${id}@${id === 0 ? main : cpu}`).join(',');
