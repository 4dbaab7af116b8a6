// SPDX-License-Identifier: BSD-3-Clause
// The log is bounded, whatever happens and however often, and reports what it suppressed.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { logTo } from './log.ts';

let lines: string[];

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
});

afterEach(() => {
  vi.useRealTimers();
});

const write = (line: string) => lines.push(line);

describe('the log', () => {
  it('regression: F4: writes the first line of each kind at once, a few more, and a count of what it suppressed', () => {
    const log = logTo(write, false);
    for (let i = 0; i < 5000; i++) {
      log.event('peer connected');
      log.event(`ring ${i} of 0x${i.toString(16)} is unusable`);
    }
    expect(lines.length).toBe(20);
    expect(lines.slice(0, 2)).toEqual(['peer connected', 'ring 0 of 0x0 is unusable']);
    vi.advanceTimersByTime(10_000);
    expect(lines.slice(20)).toEqual([
      '4,990 more like this in 10 s: peer connected',
      '4,990 more like this in 10 s: ring 4999 of 0x1387 is unusable',
    ]);
  });

  it('goes on slowly while the events continue, and freely after a pause', () => {
    const log = logTo(write, false);
    for (let ms = 0; ms < 60_000; ms += 10) {
      log.event('again');
      vi.advanceTimersByTime(10);
    }
    expect(lines.length).toBeGreaterThan(30);
    expect(lines.length).toBeLessThan(60);
    vi.advanceTimersByTime(60_000);
    lines = [];
    for (let i = 0; i < 10; i++) log.event('again');
    expect(lines.length).toBe(10);
  });

  it('does not let one kind silence another', () => {
    const log = logTo(write, false);
    for (let i = 0; i < 1000; i++) log.event('noise');
    log.event('the cause');
    expect(lines.at(-1)).toBe('the cause');
  });

  it('keeps a bounded number of kinds, and bounds the others together', () => {
    const log = logTo(write, false);
    for (let i = 0; i < 100_000; i++)
      log.event(`x${i.toString(26).replace(/\d/g, (d) => 'qrstuvwxyz'[Number(d)] ?? '')}`);
    expect(lines.length).toBeLessThan(200);
    log.close();
    expect(lines.at(-1)).toMatch(/^[\d,]+ more like this in \d+ s: lines of other kinds$/);
    expect(lines.length).toBeLessThan(400);
  });

  it('writes the counts when it is closed, and each once', () => {
    const log = logTo(write, false);
    for (let i = 0; i < 15; i++) log.event('gone');
    log.close();
    log.close();
    expect(lines.slice(10)).toEqual(['5 more like this in 0 s: gone']);
  });

  it('bounds what -v adds too, and omits it otherwise', () => {
    logTo(write, false).trace('a message');
    expect(lines).toEqual([]);
    const log = logTo(write, true);
    for (let i = 0; i < 10_000; i++) log.trace(`message ${i} done`);
    expect(lines.length).toBe(100);
  });

  it('turns any message into one printable line of bounded length', () => {
    logTo(write, false).event(`a\nb\x1b[2J${'é'.repeat(1000)}`);
    expect(lines).toEqual([`a?b?[2J${'?'.repeat(390)}...`]);
  });
});
