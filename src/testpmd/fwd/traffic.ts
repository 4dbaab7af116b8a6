// SPDX-License-Identifier: BSD-3-Clause
// What the modes txonly, flowgen and noisy do besides the defaults: plain data, sent to the lcores.

/** What a noisy neighbour does to each packet before it passes it on. */
export interface NoisyPlan {
  /** Packets that wait before the first is sent; 0: none. A power of two, of which one place is unused. */
  bufferSize: number;
  /** Milliseconds after which waiting packets are sent although none arrives; 0: never. */
  flushTime: number;
  /** Megabytes of the memory that is looked up for each packet, and how often. */
  memory: number;
  writes: number;
  reads: number;
  readsWrites: number;
  /** What is done to the packets themselves. */
  forwardMode: NoisyMode;
}

export const NOISY_MODES = ['io', 'mac', 'macswap', '5tswap'] as const;
export type NoisyMode = (typeof NOISY_MODES)[number];

export const TX_SPLITS = ['off', 'on', 'rand'] as const;
/** Segments of a packet of txonly: all of them (off and on), or a random number of the first. */
export type TxSplit = (typeof TX_SPLITS)[number];

export interface TrafficPlan {
  split: TxSplit;
  /** Nanoseconds from burst to burst and from packet to packet of a burst; 0, 0: as fast as possible. */
  interBurst: number;
  intraBurst: number;
  /** Whether packets of txonly have several source ports, and how many. */
  multiFlow: boolean;
  flows: number;
  sourceIp: string;
  destinationIp: string;
  sourcePort: number;
  destinationPort: number;
  /** Destination addresses of flowgen, and copies that it sends of each packet. */
  flowgenFlows: number;
  flowgenClones: number;
  noisy: NoisyPlan;
}

/** testpmd's defaults: addresses from RFC 2544's benchmark range, and the discard port. */
export function defaultTraffic(): TrafficPlan {
  return {
    split: 'off',
    interBurst: 0,
    intraBurst: 0,
    multiFlow: false,
    flows: 64,
    sourceIp: '198.18.0.1',
    destinationIp: '198.18.0.2',
    sourcePort: 9,
    destinationPort: 9,
    flowgenFlows: 1024,
    flowgenClones: 0,
    noisy: {
      bufferSize: 0,
      flushTime: 0,
      memory: 0,
      writes: 0,
      reads: 0,
      readsWrites: 0,
      forwardMode: 'io',
    },
  };
}

/** Mbufs that a stream of mode noisy may keep. */
export const waitingMbufs = (mode: string, { noisy }: TrafficPlan): number =>
  mode === 'noisy' ? noisy.bufferSize : 0;

/** The mode in banners: "noisy-mac". */
export const modeTitle = (mode: string, { noisy }: TrafficPlan): string =>
  mode === 'noisy' && noisy.forwardMode !== 'io' ? `${mode}-${noisy.forwardMode}` : mode;
