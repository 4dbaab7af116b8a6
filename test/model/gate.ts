// SPDX-License-Identifier: BSD-3-Clause
// The gate that lets one thread stop a queue which another polls (DeviceQueue::Enter, Leave and Quiesce) as programs for
// the model checker: after Quiesce has returned, no burst touches the peer's memory.
import type { Model, Step } from './tso.ts';

export type GateMistake =
  | 'Enter does not wait for its store'
  | 'Quiesce does not wait for its store'
  | 'Quiesce does not wait for the burst';

const BURSTS = 2;

/** A sequentially consistent store on x86-64 is an exchange: a store, and a fence. */
const store = (to: string, value: number, waits = true): Step[] => [
  { op: 'store', to, value: () => value },
  ...(waits ? [{ op: 'fence' } as const] : []),
];

export function gate(...mistakes: GateMistake[]): Model {
  const burst: Step[] = [
    { op: 'label', name: 'burst' },
    ...store('busy', 1, !mistakes.includes('Enter does not wait for its store')),
    { op: 'load', from: 'running', into: 'running' },
    { op: 'jump', to: 'leave', when: (r) => r.running === 0 },
    // Reading the peer's memory takes a step; whether it is still there is judged then.
    { op: 'load', from: 'mapped', into: 'touched' },
    { op: 'label', name: 'leave' },
    ...store('busy', 0, false),
    { op: 'set', run: (r) => (r.bursts = (r.bursts as number) + 1) },
    { op: 'jump', to: 'burst', when: (r) => (r.bursts as number) < BURSTS },
  ];
  const waits: Step[] = [
    { op: 'label', name: 'wait' },
    { op: 'load', from: 'busy', into: 'busy' },
    { op: 'jump', to: 'wait', when: (r) => r.busy === 1 },
  ];
  const quiesce: Step[] = [
    ...store('running', 0, !mistakes.includes('Quiesce does not wait for its store')),
    ...(mistakes.includes('Quiesce does not wait for the burst') ? [] : waits),
    ...store('mapped', 0),
  ];
  return {
    memory: { busy: 0, running: 1, mapped: 1 },
    threads: [
      { name: 'poller', registers: { running: 1, touched: 1, bursts: 0 }, steps: burst },
      { name: 'controller', registers: { busy: 0 }, steps: quiesce },
    ],
    always: ({ registers: [r] }) => (r?.touched === 0 ? 'a burst touches memory after Quiesce' : null),
    atEnd: () => null,
  };
}
