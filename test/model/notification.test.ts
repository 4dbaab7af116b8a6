// SPDX-License-Identifier: BSD-3-Clause
// No wake-up is lost, whatever the interleaving and however late stores become visible; and every planted
// mistake is found.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { GATE_MISTAKES, type GateMistake, gate } from './gate.ts';
import { bothWays, CALL, KICK, MIRRORED, type Mistake, oneWay, type Suppression } from './notification.ts';
import { explore } from './tso.ts';

const ENTRIES = 3;
const SUPPRESSIONS: readonly Suppression[] = ['flags', 'event_idx', 'packed'];
const DIRECTIONS = [
  ['kicks', KICK],
  ['calls', CALL],
] as const;

const MISTAKES: readonly (readonly [Mistake, readonly Suppression[]])[] = [
  ['no fence between index and suppression word', SUPPRESSIONS],
  ['no fence between suppression word and index', SUPPRESSIONS],
  ['no second look before sleeping', SUPPRESSIONS],
  ['suppression word read before the index is stored', SUPPRESSIONS],
  // A flag has no index that could be wrong.
  ['old index taken after the first part of a batch', ['event_idx', 'packed']],
];

describe.each(DIRECTIONS)('%s', (_, way) => {
  describe.each(SUPPRESSIONS)('by %s', (by) => {
    it('wake the sleeper for every entry', () => {
      const { states, failure } = explore(oneWay(way, by, ENTRIES));
      expect(failure).toBeNull();
      expect(states).toBeGreaterThan(1000);
    });

    it.each(MISTAKES.filter(([, where]) => where.includes(by)))('are lost with %s', (mistake) => {
      const { failure } = explore(oneWay(way, by, ENTRIES, mistake));
      expect(failure?.reason).toMatch(/sleeps while [1-3] entries wait/);
      expect(failure?.trace.at(-1)).toBeDefined();
    });
  });
});

describe.each(SUPPRESSIONS)('both directions by %s', (by) => {
  it.each([1, 2])('driver and device never sleep at once with work left, in a ring of %i', (size) => {
    const { states, failure } = explore(bothWays(by, size, 3));
    expect(failure).toBeNull();
    expect(states).toBeGreaterThan(1000);
  });

  it('they do when a second check is left out', () => {
    const { failure } = explore(bothWays(by, 2, 3, 'no second look before sleeping'));
    expect(failure?.reason).toMatch(/sleep with \d of 3/);
  });
});

describe('the gates of a queue', () => {
  it('keep bursts out of unmapped memory and out of a ring that was taken back', () => {
    expect(explore(gate()).failure).toBeNull();
  });

  it.each(Object.entries(GATE_MISTAKES))('do not when %s', (mistake, reason) => {
    expect(explore(gate(mistake as GateMistake)).failure?.reason).toBe(reason);
  });
});

it('a counterexample shows what each side did', () => {
  const { failure } = explore(oneWay(KICK, 'flags', 1, 'no fence between index and suppression word'));
  expect(failure?.trace).toContain('driver: loads device flags = 1, device event = 5');
  expect(failure?.trace.some((line) => line.startsWith('memory: available = 7'))).toBe(true);
});

describe('the model has the steps of', () => {
  it.each(MIRRORED)('$name', ({ file, name, order }) => {
    const source = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');
    const start = source.search(new RegExp(`^ *(?:void|bool|uint32_t) ${name}\\(.*\\{$`, 'm'));
    expect(start, `${name} in ${file}`).toBeGreaterThanOrEqual(0);
    const indent = /^ */.exec(source.slice(start))?.[0];
    const body = source.slice(start, source.indexOf(`\n${indent}}\n`, start));
    const places = order.map((step) => body.indexOf(step));
    expect(places, `${order.join(', ')} in\n${body}`).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });
});
