// SPDX-License-Identifier: BSD-3-Clause
// The telemetry socket of a run: its figures and its port for DPDK's clients, and for --watch.
import type { Json, JsonObject } from '../../src/telemetry/commands.ts';
import { ethdevCommands } from '../../src/telemetry/ethdev-commands.ts';
import { plainView } from '../../src/telemetry/port-view.ts';
import { TelemetryServer } from '../../src/telemetry/server.ts';
import { tell } from '../run/output.ts';
import type { Generator } from './generator.ts';
import type { Options } from './options.ts';
import { type TrialResult, withoutReturns } from './result.ts';
import type { LiveState } from './view.ts';

/** A look at the figures goes through all histograms: clients that ask faster get the same again. */
const FRESH_MS = 50;
/** Who has asked for the totals asks for the streams within this time, and gets those of the same moment. */
const STREAMS_MS = 1000;
/** Bytes of the mbufs that a generator makes, at least. */
const MBUF_SIZE = 2048;

export const STATS = '/pktgen/stats';
export const STREAMS = '/pktgen/streams';

/** Undefined if it cannot be opened, which stderr then says, or is not wanted. */
export function openTelemetry(
  { telemetry, filePrefix: prefix }: Options,
  generator: Generator,
  state: LiveState,
): TelemetryServer | undefined {
  if (!telemetry) return undefined;
  const { latest, streamsOfLatest } = snapshotsOf(() => generator.read());
  const commands = [
    {
      name: STATS,
      help: 'Returns the figures of the run that is under way, Takes no parameters',
      answer: () => statsOf(latest(), state),
    },
    {
      name: STREAMS,
      help: 'Returns the figures of each stream, Takes no parameters',
      answer: () => figuresOf(streamsOfLatest(), state).streams as unknown as Json,
    },
    ...ethdevCommands({ view: plainView, mbufSize: MBUF_SIZE, poolName: () => '' }),
  ];
  try {
    return new TelemetryServer({ prefix, commands });
  } catch (error) {
    tell(`vhost-pci-pktgen: no telemetry: ${(error as Error).message}`);
    return undefined;
  }
}

const figuresOf = (now: TrialResult, { returns }: LiveState) => (returns ? now : withoutReturns(now));

function statsOf(now: TrialResult, state: LiveState): JsonObject {
  const { streams, ...totals } = figuresOf(now, state);
  return { ...state, ...(totals as unknown as JsonObject), streams: streams.length };
}

/** Looks, shared by all clients: the latest, and the one whose streams belong to the totals told last. */
export function snapshotsOf<T>(read: () => T, now: () => number = () => performance.now()) {
  let last: { readonly figures: T; readonly at: number; readonly isTold: boolean } | undefined;
  const within = (ms: number, isTold: boolean): T => {
    if (last === undefined || now() - last.at > ms) last = { figures: read(), at: now(), isTold };
    else if (isTold) last = { ...last, isTold };
    return last.figures;
  };
  return {
    latest: () => within(FRESH_MS, true),
    streamsOfLatest: () => within(last?.isTold ? STREAMS_MS : FRESH_MS, false),
  };
}
