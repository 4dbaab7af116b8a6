// SPDX-License-Identifier: BSD-3-Clause
// What a device model may use and log, and how long it may take: exceeding a bound is a finding.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Subject, Usage } from './subject.ts';

/** Bounds allow for a machine that also does other work: slowness is not a fault. */
export const BOUNDS = {
  /** Until an honest party is served after an attack whose connections are all closed. */
  servedMs: 10_000,
  /** The same while silent attackers stay connected. */
  servedBesideMs: 20_000,
  /** Until an honest party is answered during an attack; a driver may hold a ring for a second. */
  answerMs: 5000,
  terminateMs: 5000,
  /** Until all resources of an attack are released. */
  settleMs: 10_000,
  /** CPU share while all parties are silent. */
  idleShare: 0.3,
  residentMib: 256,
  sharedMib: 4,
  threads: 6,
  logBytes: 64 << 10,
  logBytesPerSecond: 8 << 10,
  /** Growth of resident memory from a device model's first sessions to its last. */
  growthMib: 48,
} as const;

const WINDOW_MS = 150;

export interface Fault {
  /** Equal for faults of the same kind. */
  readonly kind: string;
  readonly detail: string;
}

const fault = (kind: string, detail: string): Fault => ({ kind, detail });

/** Checks that it is alive and that its log shows no bug. */
export function health(subject: Subject): Fault | null {
  if (subject.mistake !== null) return fault('mistake', subject.mistake);
  if (!subject.alive) return fault('died', `${subject.end}: ${subject.tail.slice(-400)}`);
  return null;
}

/** Checks that it is idle while all parties are silent, with the attackers still connected. */
export async function rests(subject: Subject, settleMs: number = BOUNDS.settleMs): Promise<Fault | null> {
  const end = Date.now() + settleMs;
  for (;;) {
    if (!subject.alive) return health(subject);
    const [before, start] = [subject.usage(), performance.now()];
    await sleep(WINDOW_MS);
    if (!subject.alive) return health(subject);
    const after = subject.usage();
    // Relative to the time in which it could have had a CPU, so that a busy machine hides nothing.
    const couldRun = performance.now() - start - (after.waitedMs - before.waitedMs);
    const share = (after.cpuMs - before.cpuMs) / Math.max(couldRun, 10);
    if (share < BOUNDS.idleShare) return null;
    if (Date.now() > end)
      return fault('spins', `${Math.round(100 * share)} % of a CPU while all parties are silent`);
  }
}

/** Checks that it has released the attack's resources. */
export async function gaveBack(
  subject: Subject,
  before: Usage,
  settleMs: number = BOUNDS.settleMs,
): Promise<Fault | null> {
  const end = Date.now() + settleMs;
  for (;;) {
    if (!subject.alive) return health(subject);
    const left = excess(subject.usage(), before);
    if (left && Date.now() > end) return { ...left, detail: `${left.detail}: ${subject.descriptors()}` };
    if (!left) return null;
    await sleep(20);
  }
}

function excess(now: Usage, before: Usage): Fault | null {
  const more = (what: keyof Usage) => `${Math.round(now[what])} instead of ${Math.round(before[what])}`;
  if (now.descriptors > before.descriptors) return fault('leaks descriptors', more('descriptors'));
  if (now.mappings > before.mappings) return fault('leaks mappings', more('mappings'));
  if (now.threads > before.threads + BOUNDS.threads) return fault('leaks threads', more('threads'));
  if (now.sharedMib > before.sharedMib + BOUNDS.sharedMib)
    return fault('keeps shared memory', `${more('sharedMib')} MiB`);
  if (now.residentMib > before.residentMib + BOUNDS.residentMib)
    return fault('grows', `${more('residentMib')} MiB resident`);
  return null;
}

/** Checks that it logs a bounded number of bytes per second. */
export function logs(bytes: number, ms: number): Fault | null {
  if (bytes <= BOUNDS.logBytes + (BOUNDS.logBytesPerSecond * ms) / 1000) return null;
  return fault('log', `${bytes} bytes of log in ${Math.round(ms)} ms`);
}

/**
 * Checks that its memory use between attacks does not grow: the minimum of the last ten against that of the
 * first ten.
 */
export function creeps(residentMib: readonly number[]): Fault | null {
  if (residentMib.length < 40) return null;
  const [first, last] = [Math.min(...residentMib.slice(5, 15)), Math.min(...residentMib.slice(-10))];
  if (last - first <= BOUNDS.growthMib) return null;
  return fault(
    'creeps',
    `${Math.round(first)} MiB resident became ${Math.round(last)} in ${residentMib.length} sessions`,
  );
}
