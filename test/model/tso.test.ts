// SPDX-License-Identifier: BSD-3-Clause
// The checker itself, on programs whose outcome under x86-TSO is known.
import { expect, it } from 'vitest';
import { explore, type Model, type Step } from './tso.ts';

const store = (to: string): Step => ({ op: 'store', to, value: () => 1 });
const load = (from: string): Step => ({ op: 'load', from, into: 'seen' });

function pair(first: readonly Step[], second: readonly Step[], forbidden: [number, number]): Model {
  return {
    memory: { x: 0, y: 0, event: 0 },
    threads: [
      { name: 'first', registers: { seen: -1 }, steps: first },
      { name: 'second', registers: { seen: -1 }, steps: second },
    ],
    atEnd: ({ registers }) =>
      registers.every(({ seen }, i) => seen === forbidden[i]) ? `both saw ${forbidden}` : null,
  };
}

it("store buffering: without fences, both may miss the other's store", () => {
  const { failure } = explore(pair([store('x'), load('y')], [store('y'), load('x')], [0, 0]));
  expect(failure?.reason).toBe('both saw 0,0');
});

it('store buffering: with a fence in only one of them, both still may', () => {
  const model = pair([store('x'), { op: 'fence' }, load('y')], [store('y'), load('x')], [0, 0]);
  expect(explore(model).failure).not.toBeNull();
});

it('store buffering: with fences in both, one sees the other', () => {
  const first: Step[] = [store('x'), { op: 'fence' }, load('y')];
  const second: Step[] = [store('y'), { op: 'fence' }, load('x')];
  expect(explore(pair(first, second, [0, 0])).failure).toBeNull();
  expect(explore(pair(first, second, [1, 1])).failure).not.toBeNull();
});

it('message passing: stores become visible in order', () => {
  const reader: Step[] = [
    { op: 'load', from: 'y', into: 'flag' },
    { op: 'load', from: 'x', into: 'seen' },
  ];
  const model: Model = {
    memory: { x: 0, y: 0 },
    threads: [
      { name: 'writer', registers: {}, steps: [store('x'), store('y')] },
      { name: 'reader', registers: { flag: 0, seen: 0 }, steps: reader },
    ],
    atEnd: ({ registers: [, r] }) => (r?.flag === 1 && r.seen === 0 ? 'the flag came before the data' : null),
  };
  expect(explore(model).failure).toBeNull();
});

it('a thread sees its own stores before other threads do', () => {
  expect(explore(pair([store('x'), load('x')], [], [0, -1])).failure).toBeNull();
});

it('a wait without a signal ends in the state before it', () => {
  const model: Model = {
    memory: { event: 0 },
    threads: [
      {
        name: 'sleeper',
        registers: { awake: 0 },
        steps: [
          { op: 'wait', event: 'event' },
          { op: 'set', run: (r) => (r.awake = 1) },
        ],
      },
    ],
    atEnd: ({ registers: [r] }) => (r?.awake === 0 ? 'it sleeps' : null),
  };
  expect(explore(model).failure).toEqual({ reason: 'it sleeps', trace: [] });
});
