// SPDX-License-Identifier: BSD-3-Clause
// The notification protocol of a virtqueue (VIRTIO 1.2, 2.7.7 and 2.7.10) as programs for the model checker: the side that
// publishes an index and decides whether to signal, and the side that arms the notification, looks again and sleeps.
// The order of the steps is that of the functions named in MIRRORED; notification.test.ts compares the two.
import type { Model, Registers, Step } from './tso.ts';

/** How the sleeper says what it wants: a flag, or the index that it waits for (EVENT_IDX). */
export type Suppression = 'flags' | 'event_idx';

/** Ways to get it wrong, each of which loses a wake-up. */
export type Mistake =
  | 'no fence between index and suppression word'
  | 'no fence between suppression word and index'
  | 'no second look before sleeping'
  | 'old index taken after the first part of a batch'
  | 'suppression word read before the index is stored';

interface Direction {
  readonly publisher: string;
  readonly sleeper: string;
  readonly index: string;
  /** Names of the suppression word: flags, or the index waited for. */
  readonly word: Record<Suppression, string>;
  readonly event: string;
}

/** The driver publishes available entries, the device sleeps until it is kicked. */
export const KICK: Direction = {
  publisher: 'driver',
  sleeper: 'device',
  index: 'avail.idx',
  word: { flags: 'used.flags', event_idx: 'avail_event' },
  event: 'kick',
};

/** The device publishes used entries, the driver sleeps until it is called. */
export const CALL: Direction = {
  publisher: 'device',
  sleeper: 'driver',
  index: 'used.idx',
  word: { flags: 'avail.flags', event_idx: 'used_event' },
  event: 'call',
};

/** Functions of the engine, and what each does in the order in which the model does it. */
export const MIRRORED = [
  {
    file: 'addon/ring/driver_queue.cc',
    name: 'DriverQueue::Publish',
    order: ['StoreRelease(&avail_->idx', 'FullFence()', 'used_->flags', 'write(kick_fd_'],
  },
  {
    file: 'addon/ring/device_queue.cc',
    name: 'DeviceQueue::Publish',
    order: ['StoreRelease(&used->idx', 'FullFence()', 'avail->flags', 'write(notify_fd'],
  },
] as const;

/** Indices are 16 bits wide; 3 show the same wrap-around. */
const MODULUS = 8;
const WANTED = 0;
const NOT_WANTED = 1;

const wrap = (n: number): number => ((n % MODULUS) + MODULUS) % MODULUS;
const needEvent = (event: number, to: number, from: number): boolean =>
  wrap(to - event - 1) < wrap(to - from);

const set = (run: (r: Registers) => void): Step => ({ op: 'set', run });
const jump = (to: string, when?: (r: Registers) => boolean): Step =>
  when ? { op: 'jump', to, when } : { op: 'jump', to };
const label = (name: string): Step => ({ op: 'label', name });
const register = (r: Registers, name: string): number => r[name] as number;

/** Publishes entries up to register `to`, from `from` on, and signals where it is wanted; ends at label `then`. */
function publish(way: Direction, by: Suppression, mistakes: ReadonlySet<Mistake>, then: string): Step[] {
  const word = way.word[by];
  const load: Step = { op: 'load', from: word, into: 'word' };
  const fence: Step[] = mistakes.has('no fence between index and suppression word') ? [] : [{ op: 'fence' }];
  const early = mistakes.has('suppression word read before the index is stored');
  const late = mistakes.has('old index taken after the first part of a batch');
  const wanted = (r: Registers): boolean =>
    by === 'flags'
      ? r.word === WANTED
      : needEvent(register(r, 'word'), register(r, 'to'), register(r, 'from'));
  return [
    ...(early ? [load] : []),
    // DriverQueue::Generate lets the other side start on the first part of a large batch.
    jump(`${then}: whole`, (r) => wrap(register(r, 'to') - register(r, 'from')) < 2),
    { op: 'store', to: way.index, value: (r) => wrap(register(r, 'from') + 1) },
    ...(late ? [set((r) => (r.from = wrap(register(r, 'from') + 1)))] : []),
    label(`${then}: whole`),
    { op: 'store', to: way.index, value: (r) => register(r, 'to') },
    ...fence,
    ...(early ? [] : [load]),
    jump(then, (r) => !wanted(r)),
    { op: 'signal', event: way.event },
    jump(then),
  ];
}

/** Asks for a signal when the index leaves register `last`, and sleeps unless it has; goes on at label `then`. */
function sleep(way: Direction, by: Suppression, mistakes: ReadonlySet<Mistake>, then: string): Step[] {
  const word = way.word[by];
  const disarm: Step[] = by === 'flags' ? [{ op: 'store', to: word, value: () => NOT_WANTED }] : [];
  const look: Step[] = [
    { op: 'load', from: way.index, into: 'seen' },
    jump(`${then}: awake`, (r) => r.seen !== r.last),
  ];
  return [
    { op: 'store', to: word, value: (r) => (by === 'flags' ? WANTED : register(r, 'last')) },
    ...(mistakes.has('no fence between suppression word and index') ? [] : [{ op: 'fence' } as const]),
    ...(mistakes.has('no second look before sleeping') ? [] : look),
    { op: 'wait', event: way.event },
    label(`${then}: awake`),
    ...disarm,
    jump(then),
  ];
}

/** Nobody has asked for anything yet: polling. */
const initialWord = (by: Suppression, start: number): number =>
  by === 'flags' ? NOT_WANTED : wrap(start - 1);

/** One side publishes `total` entries in batches of one or two, the other takes them and sleeps in between. */
export function oneWay(way: Direction, by: Suppression, total: number, ...mistakes: Mistake[]): Model {
  const wrong = new Set(mistakes);
  const start = MODULUS - 2;
  const end = wrap(start + total);
  const left = (r: Registers) => wrap(end - register(r, 'to'));
  const publisher: Step[] = [
    label('batch'),
    jump('done', (r) => left(r) === 0),
    { op: 'choose', into: 'count', among: [1, 2] },
    jump('batch', (r) => register(r, 'count') > left(r)),
    set((r) => (r.from = register(r, 'to'))),
    set((r) => (r.to = wrap(register(r, 'to') + register(r, 'count')))),
    ...publish(way, by, wrong, 'batch'),
    label('done'),
  ];
  const sleeper: Step[] = [
    label('poll'),
    { op: 'load', from: way.index, into: 'seen' },
    jump('idle', (r) => r.seen === r.last),
    set((r) => (r.last = register(r, 'seen'))),
    jump('poll'),
    label('idle'),
    ...sleep(way, by, wrong, 'poll'),
  ];
  return {
    memory: { [way.index]: start, [way.word[by]]: initialWord(by, start), [way.event]: 0 },
    threads: [
      { name: way.publisher, registers: { from: start, to: start, count: 0, word: 0 }, steps: publisher },
      { name: way.sleeper, registers: { seen: start, last: start }, steps: sleeper },
    ],
    atEnd: ({ registers: [, r] }) =>
      r?.last === end
        ? null
        : `the ${way.sleeper} sleeps while ${wrap(end - register(r ?? {}, 'last'))} entries wait`,
  };
}

/** Both ways at once: the driver sleeps while the ring is full, the device while it is empty. */
export function bothWays(by: Suppression, size: number, total: number, ...mistakes: Mistake[]): Model {
  const wrong = new Set(mistakes);
  const inFlight = (r: Registers) => wrap(register(r, 'to') - register(r, 'last'));
  const next = set((r) => {
    r.from = register(r, 'to');
    r.to = wrap(register(r, 'to') + 1);
  });
  const driver: Step[] = [
    label('driver'),
    { op: 'load', from: CALL.index, into: 'seen' },
    set((r) => (r.last = register(r, 'seen'))),
    jump('done', (r) => r.last === total),
    jump('full', (r) => r.to === total || inFlight(r) >= size),
    next,
    ...publish(KICK, by, wrong, 'driver'),
    label('full'),
    ...sleep(CALL, by, wrong, 'driver'),
    label('done'),
  ];
  const device: Step[] = [
    label('device'),
    { op: 'load', from: KICK.index, into: 'seen' },
    jump('empty', (r) => r.seen === r.last),
    set((r) => (r.last = wrap(register(r, 'last') + 1))),
    next,
    ...publish(CALL, by, wrong, 'device'),
    label('empty'),
    ...sleep(KICK, by, wrong, 'device'),
  ];
  const registers = { seen: 0, last: 0, from: 0, to: 0, word: 0 };
  const memory: Registers = { [KICK.event]: 0, [CALL.event]: 0 };
  for (const way of [KICK, CALL]) {
    memory[way.index] = 0;
    memory[way.word[by]] = initialWord(by, 0);
  }
  return {
    memory,
    threads: [
      { name: 'driver', registers, steps: driver },
      { name: 'device', registers, steps: device },
    ],
    atEnd: ({ registers: [r] }) =>
      r?.last === total ? null : `driver and device sleep with ${r?.last} of ${total} entries used`,
  };
}
