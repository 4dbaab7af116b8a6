// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Absent, HotPlug } from './hot-plug.ts';

const absent = (id: number): Absent => ({
  id,
  name: `net_x${id}`,
  device: `net_x${id},path=/x`,
  started: true,
  forwarding: true,
});

describe('removed ports', () => {
  let back: boolean;
  let takes: boolean;
  let looks: number;
  let taken: number[];
  let hotPlug: HotPlug;

  beforeEach(() => {
    vi.useFakeTimers();
    [back, takes, looks, taken] = [false, true, 0, []];
    hotPlug = new HotPlug(
      async () => {
        looks++;
        return back;
      },
      async ({ id }) => {
        taken.push(id);
        return takes;
      },
    );
    hotPlug.watch(absent(3));
  });
  afterEach(() => {
    hotPlug.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('are opened once when they come back', async () => {
    await vi.advanceTimersByTimeAsync(1000);
    expect([looks, taken, [...hotPlug.reserved]]).toEqual([5, [], [3]]);
    back = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([taken, [...hotPlug.reserved], hotPlug.find('net_x3')]).toEqual([[3], [], null]);
  });

  it('that cannot be opened are retried at growing intervals until they can', async () => {
    back = true;
    takes = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(taken.length).toBeGreaterThan(10);
    expect(taken.length).toBeLessThan(20);
    takes = true;
    await vi.advanceTimersByTimeAsync(5000);
    expect(hotPlug.reserved.size).toBe(0);
  });

  it('are forgotten when they are attached by other means, and at the end', async () => {
    expect(hotPlug.find('net_x3')).toEqual(absent(3));
    hotPlug.stopped();
    expect(hotPlug.find('net_x3')?.forwarding).toBe(false);
    hotPlug.forget(absent(3));
    hotPlug.watch(absent(4));
    hotPlug.close();
    back = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(taken).toEqual([]);
  });
});
