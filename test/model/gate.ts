// SPDX-License-Identifier: BSD-3-Clause
// The two gates of a queue as programs for the model checker (DeviceQueue::Enter, Leave, Start and Quiesce;
// DriverGates of the device model). The first lets one thread stop a queue that another thread polls: after
// Quiesce, no burst touches the peer's memory, or the words of the second gate, which may be unmapped then.
// The second lets the device model take the ring back: after that no burst touches the ring, and neither does
// the thread that starts the queue from an older record.
import type { Model, Step } from './tso.ts';

const FIRST = 'a burst touches memory after Quiesce';
const SECOND = 'the ring is touched after the device took it back';

/** Possible mistakes and the consequence of each. */
export const GATE_MISTAKES = {
  'Enter does not wait for its store': FIRST,
  'Quiesce does not wait for its store': FIRST,
  'Quiesce does not wait for the burst': FIRST,
  'Enter passes the second gate first': FIRST,
  'Enter does not wait for its second store': SECOND,
  'Start does not pass the second gate': SECOND,
  'the device does not wait for its store': SECOND,
  'the device does not wait for the burst': SECOND,
  'the device hands out a serial again': SECOND,
} as const;

export type GateMistake = keyof typeof GATE_MISTAKES;

const BURSTS = 2;
/** Serial of the ring that the driver knows; the next assignment has another. */
const SERIAL = 1;

/** A sequentially consistent store on x86-64 is an exchange: a store, and a fence. */
const store = (to: string, value: number, waits = true): Step[] => [
  { op: 'store', to, value: () => value },
  ...(waits ? [{ op: 'fence' } as const] : []),
];

/** Waits until `word` is 0. */
const wait = (word: string): Step[] => [
  { op: 'label', name: `wait ${word}` },
  { op: 'load', from: word, into: 'seen' },
  { op: 'jump', to: `wait ${word}`, when: (r) => r.seen !== 0 },
];

export function gate(...mistakes: GateMistake[]): Model {
  const right = (mistake: GateMistake) => !mistakes.includes(mistake);
  const first: Step[] = [
    ...store('busy', 1, right('Enter does not wait for its store')),
    { op: 'load', from: 'running', into: 'running' },
    { op: 'jump', to: 'leave', when: (r) => r.running === 0 },
  ];
  // The words of the second gate are memory that may be unmapped after Quiesce: each access checks that they
  // still exist.
  const second: Step[] = [
    { op: 'load', from: 'mapped', into: 'touched' },
    ...store('inside', 1, right('Enter does not wait for its second store')),
    { op: 'load', from: 'allowed', into: 'allowed' },
    { op: 'jump', to: 'leave second', when: (r) => r.allowed !== SERIAL },
  ];
  const ring: Step[] = [
    { op: 'load', from: 'mapped', into: 'touched' },
    { op: 'load', from: 'handed', into: 'handed' },
  ];
  const burst: Step[] = [
    { op: 'label', name: 'burst' },
    ...(right('Enter passes the second gate first') ? [...first, ...second] : [...second, ...first]),
    ...ring,
    { op: 'label', name: 'leave second' },
    ...store('inside', 0, false),
    { op: 'label', name: 'leave' },
    ...store('busy', 0, false),
    { op: 'set', run: (r) => (r.bursts = (r.bursts as number) + 1) },
    { op: 'jump', to: 'burst', when: (r) => (r.bursts as number) < BURSTS },
  ];
  const start: Step[] = [
    ...store('inside', 1),
    { op: 'load', from: 'allowed', into: 'allowed' },
    {
      op: 'jump',
      to: 'started',
      when: (r) => right('Start does not pass the second gate') && r.allowed !== SERIAL,
    },
    { op: 'load', from: 'handed', into: 'handed' },
    { op: 'label', name: 'started' },
    ...store('inside', 0, false),
    ...store('running', 1),
  ];
  const quiesce: Step[] = [
    ...store('running', 0, right('Quiesce does not wait for its store')),
    ...(right('Quiesce does not wait for the burst') ? wait('busy') : []),
    ...store('mapped', 0),
  ];
  const takeBack: Step[] = [
    ...store('allowed', 0, right('the device does not wait for its store')),
    ...(right('the device does not wait for the burst') ? wait('inside') : []),
    ...store('handed', 0),
    ...store('allowed', right('the device hands out a serial again') ? SERIAL + 1 : SERIAL),
  ];
  const registers = { running: 0, touched: 1, handed: 1, allowed: 0, seen: 0, bursts: 0 };
  return {
    memory: { busy: 0, running: 0, inside: 0, allowed: SERIAL, mapped: 1, handed: 1 },
    threads: [
      { name: 'poller', registers, steps: burst },
      { name: 'controller', registers, steps: [...start, ...quiesce] },
      { name: 'device', registers, steps: takeBack },
    ],
    always: ({ registers: threads }) => {
      if (threads.some(({ touched }) => touched === 0)) return FIRST;
      return threads.some(({ handed }) => handed === 0) ? SECOND : null;
    },
    atEnd: () => null,
  };
}
