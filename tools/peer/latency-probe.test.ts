// SPDX-License-Identifier: BSD-3-Clause
// The probe with both sides of a queue pair in one thread. Checks only what holds on any machine: nothing
// comes back before it was due, and a pause shows in every time that it was part of.
import type { RecordableHistogram } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mempool } from '../../src/ethdev/mempool.ts';
import { native } from '../../src/native.ts';
import { type Loopback, openLoopback } from '../../test/support/loopback.ts';
import { latencyHistogram } from './latency.ts';
import { LatencyProbe } from './latency-probe.ts';
import { defaultFlow, frameTemplate } from './traffic.ts';

const ALWAYS_DUE = 1e9;

let loop: Loopback;
let pool: Mempool;
let histogram: RecordableHistogram;

beforeEach(() => {
  loop = openLoopback(frameTemplate(64, defaultFlow(0)));
  pool = new Mempool({ count: 256, hugepages: false });
  histogram = latencyHistogram();
});
afterEach(() => {
  loop.close();
  pool.close();
});

const createProbe = (rate = ALWAYS_DUE, warmUp = 0, base = 0, ownStall = Number.POSITIVE_INFINITY) =>
  new LatencyProbe({ rate, warmUp, ownStall, histogram }, loop.peerRx, base);

function send(probe: LatencyProbe, frames: number): void {
  expect(native.driverGenerate(loop.peerTx, frames)).toBe(frames);
  probe.sent(frames);
}

/** The back-end sends frames [from, to) of a burst back and drops the others. */
function forward(from = 0, to = 32): void {
  const pkts = pool.vector(32);
  const frames = native.rxBurst(loop.rx, pkts.handle, 32);
  const end = Math.min(to, frames);
  native.txBurst(loop.tx, pkts.handle, from, end);
  native.poolFree(pkts.handle, 0, from);
  native.poolFree(pkts.handle, end, frames);
}

function pause(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('the latency probe', () => {
  it('records each frame that comes back', () => {
    const probe = createProbe();
    send(probe, 20);
    expect(probe.away()).toBe(20);
    expect(probe.receive(32, true)).toBe(0);
    forward();
    expect(probe.receive(32, true)).toBe(20);
    expect([histogram.count, probe.away()]).toEqual([20, 0]);
    expect(histogram.min).toBeGreaterThanOrEqual(1);
  });

  it('counts a pause against every frame that was due in it', () => {
    const probe = createProbe(10_000);
    pause(20);
    probe.receive(32, true);
    expect(probe.due()).toBeGreaterThan(200);
    send(probe, 32);
    forward();
    probe.receive(32, true);
    // Frame 31 was due after 3.1 ms, and 20 ms passed before any frame could be sent.
    expect([histogram.count, histogram.min >= 16e6]).toEqual([32, true]);
    expect(probe.due()).toBeGreaterThan(200 - 32);
  });

  it('removes its own stalls from the times and the schedule, when enabled', () => {
    const probe = createProbe(10_000, 0, 0, 10_000);
    probe.receive(32, true);
    send(probe, 32);
    pause(20);
    forward();
    expect(probe.receive(32, true)).toBe(32);
    expect(histogram.count).toBe(0);
    // 200 frames would be due after 20 ms; at most 10 ms before the first receive are not forgiven.
    expect(probe.due()).toBeLessThan(101 - 32 + 1);
    for (let tries = 0; tries < 100 && histogram.count === 0; tries++) {
      send(probe, 3);
      forward();
      probe.receive(32, true);
    }
    expect(histogram.count).toBe(3);
  });

  it('does not mistake its own work for a stall', () => {
    // Every interval between receives is longer than a nanosecond, but 64 frames explain 32 us.
    const probe = createProbe(ALWAYS_DUE, 0, 0, 0.001);
    for (let tries = 0; tries < 1000 && histogram.count === 0; tries++) {
      send(probe, 32);
      forward();
      probe.receive(32, true);
    }
    expect(histogram.count).toBeGreaterThan(0);
  });

  it('has no frame due before its time', () => {
    const probe = createProbe(1e-3);
    expect(probe.due()).toBe(1);
    send(probe, 1);
    expect(probe.due()).toBe(0);
  });

  it('gives up frames that later ones have overtaken', () => {
    const probe = createProbe();
    send(probe, 10);
    forward(4, 8);
    expect(probe.receive(32, true)).toBe(4);
    expect([histogram.count, probe.away()]).toEqual([4, 2]);
    send(probe, 1);
    forward();
    probe.receive(32, true);
    expect([histogram.count, probe.away()]).toEqual([5, 0]);
  });

  it('does not record frames that were due in the warm-up', () => {
    const probe = createProbe(1000, 0.015);
    send(probe, 20);
    forward();
    expect([probe.receive(32, true), histogram.count]).toEqual([20, 5]);
  });

  it('works on a queue that has been used before, and ignores its old frames', () => {
    native.driverGenerate(loop.peerTx, 5);
    const probe = createProbe(ALWAYS_DUE, 0, 5);
    send(probe, 3);
    forward();
    expect([probe.receive(32, true), histogram.count, probe.away()]).toEqual([8, 3, 0]);
  });
});
