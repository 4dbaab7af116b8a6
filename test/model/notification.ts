// SPDX-License-Identifier: BSD-3-Clause
// The notification protocol of a virtqueue (VIRTIO 1.2, 2.7.7 and 2.7.10) as programs for the model checker:
// the side that publishes an index and decides whether to signal, and the side that arms the notification,
// checks again and sleeps. The order of the steps is that of the functions named in MIRRORED;
// notification.test.ts compares the two.
import type { Model, Registers, Step } from './tso.ts';

/**
 * How the sleeper requests a notification: by a flag (split and packed rings without EVENT_IDX), by the index
 * that it waits for (split rings with EVENT_IDX), or by a position and a flag in one word (packed rings with
 * EVENT_IDX).
 */
export type Suppression = 'flags' | 'event_idx' | 'packed';

/** Mistakes, each of which loses a wake-up. */
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
  readonly flags: string;
  /** The index or position that the sleeper waits for. */
  readonly waitsFor: string;
  readonly event: string;
}

/** The driver publishes available entries, the device sleeps until it is kicked. */
export const KICK: Direction = {
  publisher: 'driver',
  sleeper: 'device',
  index: 'available',
  flags: 'device flags',
  waitsFor: 'device event',
  event: 'kick',
};

/** The device publishes used entries, the driver sleeps until it is called. */
export const CALL: Direction = {
  publisher: 'device',
  sleeper: 'driver',
  index: 'used',
  flags: 'driver flags',
  waitsFor: 'driver event',
  event: 'call',
};

/** Functions of the engine, and the steps of each in the order in which the model takes them. */
export const MIRRORED = [
  {
    file: 'addon/ring/driver_queue.h',
    name: 'Publish',
    order: ['ring.Expose()', 'FullFence()', 'ring.WantsKick(', 'SignalEventfd(kick_fd_'],
  },
  {
    file: 'addon/ring/split_ring.h',
    name: 'Publish',
    order: ['StoreRelease(&q_.used->idx', 'q_.NotifyPeer('],
  },
  {
    file: 'addon/ring/packed_ring.h',
    name: 'Publish',
    order: ['ShowSingles(', 'ShowPackets(', 'q_.NotifyPeer('],
  },
  {
    file: 'addon/ring/packed_ring.h',
    name: 'ShowSingles',
    order: [
      'StoreRelease(&q_.position->places',
      'StoreRelease(tail, tail_[i]',
      'Note(',
      'StoreRelease(tail, tail_[i++]',
    ],
  },
  {
    file: 'addon/ring/packed_ring.h',
    name: 'ShowPackets',
    order: ['Note(', 'last-- > i', 'StoreRelease(PackedTail('],
  },
  {
    file: 'addon/ring/device_queue.cc',
    name: 'DeviceQueue::NotifyPeer',
    order: ['FullFence()', 'Notify(PeerWantsCall('],
  },
  {
    file: 'addon/ring/device_queue.cc',
    name: 'DeviceQueue::Notify',
    order: ['if (!wanted)', 'SignalEventfd(fd'],
  },
  {
    file: 'addon/ring/section_ring.h',
    name: 'Publish',
    order: ['s_.Expose()', 'FullFence()', 'q_.Notify(s_.WantsKick('],
  },
  {
    file: 'addon/ring/device_queue.cc',
    name: 'DeviceQueue::Arm',
    order: ['AskForKicks(true)', 'FullFence()', 'HasWork()', 'AskForKicks(false)'],
  },
  {
    file: 'addon/ring/device_queue.cc',
    name: 'DeviceQueue::AskForKicks',
    order: ['device_event->off_wrap', 'StoreRelease(&device_event->flags', 'used->ring[ring_size]'],
  },
] as const;

/**
 * Indices are 16 bits wide; 3 bits show the same wrap-around. In a packed ring, the position with the wrap
 * counter above.
 */
const MODULUS = 8;
const PACKED_SIZE = MODULUS / 2;
/** Flag values of a packed ring; a split ring's 0 and 1 mean the same. */
const ENABLE = 0;
const DISABLE = 1;
const DESC = 2;

const wrap = (n: number): number => ((n % MODULUS) + MODULUS) % MODULUS;
const word = (n: number): number => n & 0xffff;

/** NeedEvent of addon/ring/notify.h. */
const needEvent = (event: number, now: number, before: number): boolean =>
  wrap(now - event - 1) < wrap(now - before);

/** PackedNeedsEvent of addon/ring/notify.h, whose slot indices are 16 bits wide. */
function packedNeedsEvent(flags: number, event: number, now: number, before: number): boolean {
  if (flags !== DESC) return flags !== DISABLE;
  const slot = now % PACKED_SIZE;
  const sameRound = event >= PACKED_SIZE === now >= PACKED_SIZE;
  const waited = word((event % PACKED_SIZE) - (sameRound ? 0 : PACKED_SIZE));
  return word(slot - waited - 1) < word(slot - word(slot - wrap(now - before)));
}

const set = (run: (r: Registers) => void): Step => ({ op: 'set', run });
const jump = (to: string, when?: (r: Registers) => boolean): Step =>
  when ? { op: 'jump', to, when } : { op: 'jump', to };
const label = (name: string): Step => ({ op: 'label', name });
const register = (r: Registers, name: string): number => r[name] as number;

/** Publishes the entries after `from` up to register `to` and signals if requested; ends at label `then`. */
function publish(way: Direction, by: Suppression, mistakes: ReadonlySet<Mistake>, then: string): Step[] {
  const load: Step = {
    op: 'load together',
    fields: [
      [way.flags, 'flags'],
      [way.waitsFor, 'event'],
    ],
  };
  const fence: Step[] = mistakes.has('no fence between index and suppression word') ? [] : [{ op: 'fence' }];
  const early = mistakes.has('suppression word read before the index is stored');
  const late = mistakes.has('old index taken after the first part of a batch');
  const wanted = (r: Registers): boolean => {
    const [flags, event, now, before] = ['flags', 'event', 'to', 'from'].map((name) => register(r, name));
    if (by === 'flags') return flags !== DISABLE;
    return by === 'packed' ? packedNeedsEvent(flags, event, now, before) : needEvent(event, now, before);
  };
  return [
    ...(early ? [load] : []),
    // PeerTraffic::Generate lets the other side start on the first part of a large batch.
    jump(`${then}: whole`, (r) => wrap(register(r, 'to') - register(r, 'from')) < 2),
    { op: 'store', to: way.index, value: (r) => wrap(register(r, 'from') + 1) },
    ...(late ? [set((r) => (r.from = wrap(register(r, 'from') + 1)))] : []),
    label(`${then}: whole`),
    { op: 'store', to: way.index, value: (r) => register(r, 'to') },
    ...fence,
    ...(early ? [] : [load]),
    // The inputs of the decision are not needed any more and would only make equal states differ.
    set((r) => Object.assign(r, { wanted: wanted(r) ? 1 : 0, flags: 0, event: 0, from: 0 })),
    jump(then, (r) => r.wanted === 0),
    { op: 'signal', event: way.event },
    jump(then),
  ];
}

/**
 * What the sleeper stores to request a signal when the index leaves register `last`, and what it stores to
 * cancel that.
 */
function ask(way: Direction, by: Suppression, want: boolean): Step[] {
  const flags = (value: number): Step => ({ op: 'store', to: way.flags, value: () => value });
  const event = (behind: number): Step => ({
    op: 'store',
    to: way.waitsFor,
    value: (r) => wrap(register(r, 'last') - behind),
  });
  if (by === 'flags') return [flags(want ? ENABLE : DISABLE)];
  // An index that was just passed comes up again only after all others.
  if (by === 'event_idx') return [event(want ? 0 : 1)];
  return [event(0), flags(want ? DESC : DISABLE)];
}

/**
 * Requests a signal when the index leaves register `last`, and sleeps unless it already has; continues at
 * label `then`.
 */
function sleep(way: Direction, by: Suppression, mistakes: ReadonlySet<Mistake>, then: string): Step[] {
  const look: Step[] = [
    { op: 'load', from: way.index, into: 'seen' },
    jump(`${then}: awake`, (r) => r.seen !== r.last),
  ];
  return [
    ...ask(way, by, true),
    ...(mistakes.has('no fence between suppression word and index') ? [] : [{ op: 'fence' } as const]),
    ...(mistakes.has('no second look before sleeping') ? [] : look),
    { op: 'wait', event: way.event },
    label(`${then}: awake`),
    ...ask(way, by, false),
    jump(then),
  ];
}

/** Neither side has requested a signal yet: both poll. */
const initialMemory = (way: Direction, by: Suppression, start: number): Registers => ({
  [way.index]: start,
  [way.flags]: by === 'event_idx' ? ENABLE : DISABLE,
  [way.waitsFor]: wrap(start - 1),
  [way.event]: 0,
});

/**
 * One side publishes `total` entries in batches of one or two; the other takes them and sleeps in between.
 */
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
    memory: initialMemory(way, by, start),
    threads: [
      {
        name: way.publisher,
        registers: { from: 0, to: start, count: 0, flags: 0, event: 0, wanted: 0 },
        steps: publisher,
      },
      { name: way.sleeper, registers: { seen: start, last: start }, steps: sleeper },
    ],
    atEnd: ({ registers: [, r] }) =>
      r?.last === end
        ? null
        : `the ${way.sleeper} sleeps while ${wrap(end - register(r ?? {}, 'last'))} entries wait`,
  };
}

/** Both directions at once: the driver sleeps while the ring is full, the device while it is empty. */
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
  const registers = { seen: 0, last: 0, from: 0, to: 0, flags: 0, event: 0, wanted: 0 };
  const memory = { ...initialMemory(KICK, by, 0), ...initialMemory(CALL, by, 0) };
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
