// SPDX-License-Identifier: BSD-3-Clause
// What the far end tells at its end: what it sent back and, where the capture that was to come is known, how
// that came.
import { native } from '../../src/native.ts';
import { type CaptureCounts, captureLines } from './capture.ts';
import { HistogramView } from './engine/histogram.ts';
import { A_MISSING, A_OTHERS, A_WHOLE, type ReflectMemory, ticksPerUnit } from './engine/layout.ts';
import { ANSWERED, REFLECTED, REFLECTED_BYTES } from './engine/reflect-lcore.ts';
import { type FaultCounts, faultLines } from './port-faults.ts';
import { type GapSummary, gapSummary } from './result.ts';
import { gapLine } from './text.ts';

export interface ReflectFigures {
  readonly reflected: number;
  readonly bytes: number;
  /** Null if it has no addresses. */
  readonly answered: number | null;
  /**
   * Of a replay: packets of the capture, that came as they were, that are missing before one that came, and
   * others.
   */
  readonly arrivals: { readonly whole: number; readonly missing: number; readonly others: number } | null;
  readonly gaps: GapSummary | null;
  readonly capture: CaptureCounts | null;
  /** What the port counted of the peer's faults. */
  readonly portErrors: FaultCounts;
  /** What ended it before its time, or would not let a frame pass at its end. */
  readonly failures: readonly string[];
}

export function reflectFigures(
  stats: Float64Array,
  memory: ReflectMemory,
  is: { readonly host: boolean; readonly replay: boolean; readonly capture: CaptureCounts | undefined },
): Omit<ReflectFigures, 'portErrors' | 'failures'> {
  const hz = native.tscHz();
  const gaps = new HistogramView(new Float64Array(memory.gaps), (1e9 * ticksPerUnit(hz)) / hz);
  const counters = new Float64Array(memory.arrivals);
  const [whole, missing, others] = [A_WHOLE, A_MISSING, A_OTHERS].map((i) => counters[i] as number) as [
    number,
    number,
    number,
  ];
  return {
    reflected: stats[REFLECTED] as number,
    bytes: stats[REFLECTED_BYTES] as number,
    answered: is.host ? (stats[ANSWERED] as number) : null,
    arrivals: is.replay ? { whole, missing, others } : null,
    gaps: is.replay ? gapSummary(gaps, new Float64Array(memory.global)) : null,
    capture: is.capture ?? null,
  };
}

/** `port` is its name. */
export function reflectLines(figures: ReflectFigures, port: string): string[] {
  const { reflected, bytes, answered, arrivals, gaps, capture, portErrors } = figures;
  const answers = answered === null ? '' : `; ${answered} of them are answers`;
  return [
    `sent back ${reflected} frames, ${bytes} bytes${answers}`,
    ...(arrivals === null
      ? []
      : [
          `packets of the capture: ${arrivals.whole} as they were, ${arrivals.missing} missing, ${arrivals.others} others`,
        ]),
    ...(gaps === null ? [] : [gapLine(gaps)]),
    ...(capture === null ? [] : captureLines(capture)),
    ...faultLines(port, portErrors),
  ];
}
