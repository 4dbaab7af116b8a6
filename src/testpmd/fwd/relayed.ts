// SPDX-License-Identifier: BSD-3-Clause
// Packets that go from ring to ring, for the engines that do not read them.
import type { Relay } from '../../ethdev/port.ts';
import { type FwdStream, STREAM_RX, STREAM_TX } from './engine.ts';

/**
 * Where both ports map their peers' memory and packets may be worked in place; null elsewhere. `macs`: the
 * addresses with which packets leave.
 */
export const relayOf = ({ run, rx, tx }: FwdStream, macs?: Uint32Array): Relay | null =>
  run.inPlace ? (rx.relayTo?.(tx, macs) ?? null) : null;

/** HOT. Moves a burst, and counts it; -1 if it has to pass through mbufs. */
export function relayBurst(stream: FwdStream, relay: Relay | null): number {
  const moved = relay === null ? -1 : relay.burst(stream.run.burst);
  if (moved <= 0) return moved;
  stream.counters[STREAM_RX] += moved;
  stream.counters[STREAM_TX] += moved;
  return moved;
}
