// SPDX-License-Identifier: BSD-3-Clause
// What the tests of RFC 2544 found at one frame size.
import type { LatencySummary } from './result.ts';
import type { Doubts, SearchResult } from './search.ts';

export interface LossRow {
  /** Share of the highest rate. */
  readonly share: number;
  readonly pps: number;
  /** Share of the sent frames that did not come back. */
  readonly loss: number;
  /** Share of the due frames that were never sent: then the rate that was offered is lower by as much. */
  readonly unsent: number;
  /** The generator had lost its CPU. */
  readonly disturbed: boolean;
}

export interface Rfc2544Row {
  /** Bytes with the frame check sequence. */
  readonly size: number;
  /** The most that the generator sends, frames per second. */
  readonly highest: number;
  /** Null if no rate kept to the limits. */
  readonly throughput?: number | null;
  /** How the throughput was found. */
  readonly search?: SearchResult & Doubts;
  readonly latency?: LatencySummary | null;
  readonly loss?: readonly LossRow[];
  /** Frames at the highest rate without loss; null if none came back whole. */
  readonly backToBack?: number | null;
  /** Whether the trial's time limited them. */
  readonly backToBackLimited?: boolean;
  /** Whether one of its trials failed while the generator had lost its CPU. */
  readonly backToBackDisturbed?: boolean;
}
