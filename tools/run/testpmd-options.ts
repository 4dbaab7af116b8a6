// SPDX-License-Identifier: BSD-3-Clause
// The command-line options that our testpmd and DPDK's have in common.

/** Omitted fields use testpmd's own defaults. */
export interface TestpmdOptions {
  readonly forwardMode?: string | undefined;
  readonly burst?: number;
  /** Generated frame size in bytes, without FCS. */
  readonly frameSize?: number;
  /** RX and TX queues of each port. */
  readonly queues?: number;
  /** Descriptors of each queue. */
  readonly ringSize?: number;
  readonly autoStart?: boolean;
  /** Start with the prompt. */
  readonly interactive?: boolean;
  /** Further command-line options, verbatim. */
  readonly more?: readonly string[];
}

/** mbufs in each pool when two testpmds are compared. */
export const MBUFS = 16384;

/** The arguments after "--". */
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

/**
 * All lcores on one CPU, or the main lcore on another: testpmd needs a main lcore in addition to the
 * forwarding ones, and it sleeps almost all the time.
 */
export const lcoresOn = (cpu: number, forwarding = 1, main = cpu): string =>
  Array.from({ length: forwarding + 1 }, (_, id) => `${id}@${id === 0 ? main : cpu}`).join(',');
