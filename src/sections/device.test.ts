// SPDX-License-Identifier: BSD-3-Clause
// Two devices over one pair of sections, and a hand that writes what no driver would.
import { ftruncateSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SECTION_HEADER } from '../abi/section.ts';
import { native } from '../native.ts';
import { SectionDevice, type SectionOptions } from './device.ts';
import { FakeSectionCarrier, FakeWire, SIDE_BYTES } from './fake-carrier.test-help.ts';

const { fields } = SECTION_HEADER;
const OPTIONS: SectionOptions = { queuePairs: 1, minimum: false, mac: Uint8Array.of(2, 0, 0, 0, 0, 9) };
const [RESET, INIT, READY, RUN] = [0, 1, 2, 3];

/** One end with what it reported. */
class End {
  readonly carrier: FakeSectionCarrier;
  readonly device: SectionDevice;
  readonly reports: string[] = [];
  readonly events: string[] = [];

  constructor(
    wire: FakeWire,
    end: 0 | 1,
    options: Partial<SectionOptions> = {},
    states?: 'header' | 'table',
  ) {
    this.carrier = new FakeSectionCarrier(wire, end, states);
    this.device = new SectionDevice(
      this.carrier,
      {
        onLink: () => this.events.push(this.device.linkUp ? 'up' : 'down'),
        onLinkReason: () => this.events.push('reason'),
        onRemoved: () => this.events.push('removed'),
        report: (line) => this.reports.push(line),
      },
      { ...OPTIONS, ...options },
    );
  }

  get state(): string | number | undefined {
    return this.detail('Own state');
  }

  detail(name: string): string | number | undefined {
    return new Map(this.device.details()).get(name);
  }

  counter(name: string): number | undefined {
    return new Map(this.device.counters()).get(name);
  }

  start(queues = 1): void {
    this.device.startPort({ rx: queues, tx: queues });
  }
}

/** Both look at each other until nothing changes. */
function settle(...ends: readonly End[]): void {
  for (let turn = 0; turn < 8; turn++) for (const { device } of ends) device.poll();
}

describe('a device over sections', () => {
  let wire: FakeWire;
  let open: End[];

  const end = (which: 0 | 1, options?: Partial<SectionOptions>, states?: 'header' | 'table') => {
    const made = new End(wire, which, options, states);
    open.push(made);
    return made;
  };
  /** A word of the header of side `which`, as its owner could write it. */
  const poke = (which: 0 | 1, field: keyof typeof fields, value: number) => {
    const mapping = native.mapFd(wire.fds[which], 0, wire.bytes, true);
    native.atomicWrite(mapping, fields[field].offset, value >>> 0);
    native.unmap(mapping);
  };
  const peek = (which: 0 | 1, offset: number) => {
    const mapping = native.mapFd(wire.fds[which], 0, wire.bytes, false);
    const value = native.atomicRead(mapping, offset);
    native.unmap(mapping);
    return value;
  };

  beforeEach(() => {
    wire = new FakeWire();
    open = [];
  });
  afterEach(() => {
    for (const { device } of open) device.close();
    wire.close();
  });

  it.each(['header', 'table'] as const)('has a link while both ports are started (%s)', (states) => {
    const [a, b] = [end(0, {}, states), end(1, {}, states)];
    settle(a, b);
    expect([a.state, b.state]).toEqual(['READY', 'READY']);
    expect(a.device.linkReason).toBe('the port is stopped');
    a.start();
    settle(a, b);
    expect([a.state, b.state]).toEqual(['RUN', 'READY']);
    expect(a.device.linkReason).toBe("the peer's port is not started");
    b.start();
    settle(a, b);
    expect([a.device.linkUp, b.device.linkUp, a.device.linkReason]).toEqual([true, true, '']);
    expect(a.reports).toEqual([]);
    expect([a.device.engine('rx', 0).state, a.device.engine('tx', 0).state]).toEqual(['running', 'running']);
    expect(a.device.engine('tx', 0).ringSize).toBe(2048);
    expect(a.detail('Extensions')).toBe(states === 'header' ? 'NET_HEADER LARGE_FRAMES' : 'none');
    expect(a.device.peerMtu).toBe(states === 'header' ? 65_532 : 16_384);

    a.device.stopPort();
    expect([a.device.engine('rx', 0).state, a.device.linkUp]).toEqual(['stopped', false]);
    settle(a, b);
    expect([b.device.linkUp, b.device.engine('tx', 0).state]).toEqual([false, 'stopped']);
    a.start();
    settle(a, b);
    expect([a.device.linkUp, b.device.linkUp]).toEqual([true, true]);
    expect(a.events.filter((event) => event !== 'reason')).toEqual(['up', 'down', 'up']);
  });

  it('agrees on the pairs that both have, and offers as many as the port receives on', () => {
    const [a, b] = [end(0, { queuePairs: 4 }), end(1, { queuePairs: 2 })];
    a.start(4);
    b.start(2);
    settle(a, b);
    expect([a.device.linkUp, a.detail('Queue pairs')]).toEqual([true, 2]);
    expect(a.detail('Extensions')).toBe('NET_HEADER LARGE_FRAMES MULTIQUEUE');
    const states = [0, 1, 2, 3].map((pair) => a.device.engine('rx', pair).state);
    expect(states).toEqual(['running', 'running', 'stopped', 'stopped']);
    b.device.stopPort();
    b.start(1);
    settle(a, b);
    expect([a.device.linkUp, a.detail('Queue pairs')]).toEqual([true, 1]);
    expect(a.device.engine('rx', 1).state).toBe('stopped');
  });

  it('agrees on no extension with a peer of the minimum', () => {
    const [a, b] = [end(0, { queuePairs: 2 }), end(1, { minimum: true })];
    a.start(2);
    b.start();
    settle(a, b);
    expect([a.device.linkUp, a.detail('Extensions'), a.detail('Queue pairs')]).toEqual([true, 'none', 1]);
    expect([a.device.peerMtu, b.device.peerMtu, a.device.peerFeatures]).toEqual([16_384, 16_384, 1n << 32n]);
    expect(peek(0, fields.mac.offset)).toBe(2);
  });

  it('says why there is no peer', () => {
    const a = end(0);
    a.start();
    expect(a.device.linkReason).toBe('no peer: no driver has opened the memory yet');
    poke(1, 'magic', 0x1234);
    settle(a);
    expect(a.device.linkReason).toBe('no peer: its memory begins with 0x1234, not with a header');
    end(1);
    poke(1, 'version', 2);
    settle(a);
    expect(a.device.linkReason).toBe('no peer: its header has version 2, not 1');
  });

  it('begins again when the peer restarts, however quickly, also after kill -9', () => {
    const [a, b] = [end(0), end(1)];
    for (const one of [a, b]) one.start();
    settle(a, b);
    // A killed peer leaves its words; its successor begins with RESET, and waits until we have noticed.
    const again = end(1);
    again.start();
    settle(again);
    expect([again.state, again.device.linkReason]).toEqual([
      'RESET',
      "the peer's side still says RUN: its driver has not noticed our restart, or was killed",
    ]);
    settle(a, again);
    expect([a.device.linkUp, again.device.linkUp]).toEqual([true, true]);
    expect(a.counter('section_resets')).toBe(1);
    expect(a.counter('section_illegal_states')).toBe(0);
  });

  it('clears its section before each start', () => {
    const [a, b] = [end(0), end(1)];
    const bytes = new Uint8Array(native.mappingBuffer(a.carrier.own.mapping));
    bytes.fill(0xa5, 4096);
    settle(a, b);
    expect(bytes.subarray(4096).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    [4, 'no peer: its state is 4'],
    [0xffff_ffff, 'no peer: its state is 4294967295'],
    [INIT, undefined],
    [READY, undefined],
    [RESET, 'no peer: its driver is not running'],
  ])('takes a peer that jumps from RUN to %i for one that restarts', (word, reason) => {
    const [a, b] = [end(0), end(1)];
    for (const one of [a, b]) one.start();
    settle(a, b);
    poke(1, 'state', word);
    a.device.poll();
    expect([a.device.linkUp, a.device.engine('rx', 0).state]).toEqual([false, 'stopped']);
    if (reason !== undefined) expect(a.device.linkReason).toBe(reason);
    expect(a.counter('section_illegal_states')).toBe(word === RESET ? 0 : 1);
    settle(a, b);
    poke(1, 'state', RESET);
    settle(a);
    const again = end(1);
    again.start();
    settle(a, again);
    expect(a.device.linkUp).toBe(true);
  });

  it.each([
    ['queue_pairs', 0, 'its header names no queue pair'],
    ['max_frame', 59, 'its header allows frames of 59 bytes at most'],
    ['max_frame', 1, 'its header allows frames of 1 bytes at most'],
  ] as const)('refuses a peer whose %s is %i, and says so', (field, value, fault) => {
    const [a, b] = [end(0), end(1)];
    b.start();
    settle(a, b);
    poke(1, field, value);
    a.start();
    settle(a, b);
    expect(a.device.linkReason).toBe(`the peer cannot be used: ${fault}`);
    expect([a.device.linkUp, a.counter('section_bad_headers')]).toEqual([false, 1]);
    b.device.stopPort();
    settle(a, b);
    b.start();
    settle(a, b);
    expect(a.device.linkUp).toBe(true);
  });

  it.each([
    ['queue_pairs', 0xffff_ffff],
    ['features', 0xffff_ffff],
    ['max_frame', 0xffff_ffff],
    ['max_frame', 100],
    ['doorbell', 0xffff_ffff],
    ['vectors', 0xffff_ffff],
  ] as const)('takes no harm of a peer whose %s is %i', (field, value) => {
    const [a, b] = [end(0, { queuePairs: 2 }), end(1, { queuePairs: 2 })];
    b.start(2);
    settle(a, b);
    poke(1, field, value);
    a.start(2);
    settle(a, b);
    expect([a.device.linkUp, a.reports]).toEqual([true, []]);
    expect(a.detail('Largest frame (bytes)')).toBe(value === 100 ? 100 : 58_336);
  });

  it.each([
    ["the peer's", 1],
    ['regression: its own', 0],
  ] as const)('goes with its memory, if a file is shrunk: %s', async (_, side) => {
    const [a, b] = [end(0), end(1)];
    for (const one of [a, b]) one.start();
    settle(a, b);
    ftruncateSync(wire.fds[side], 0);
    a.device.poll();
    await expect.poll(() => a.device.state).toBe('removed');
    expect(a.reports).toEqual(['The device end 0 is gone: its memory file was shrunk, or is out of pages']);
    expect(a.events.at(-1)).toBe('removed');
    expect([a.device.linkUp, a.device.linkReason]).toEqual([false, 'the device is removed']);
  });

  it('goes with its carrier', () => {
    const a = end(0);
    a.carrier.remove('unplugged');
    expect([a.device.state, a.events.at(-1)]).toEqual(['removed', 'removed']);
    a.device.close();
    expect(a.carrier.closed).toBe(true);
  });

  it('shows RESET when it is closed', () => {
    const a = end(0);
    expect(peek(0, fields.state.offset)).toBe(INIT);
    a.device.close();
    expect([peek(0, fields.state.offset), a.device.state]).toEqual([RESET, 'closed']);
    a.device.close();
  });

  it('needs two sides of one size, which holds its queue pairs', () => {
    const refused = (bytes: number, queuePairs = 1) => {
      const small = new FakeWire(bytes);
      const carrier = new FakeSectionCarrier(small, 0);
      const make = () => new SectionDevice(carrier, open[0] as never, { ...OPTIONS, queuePairs });
      expect(make).toThrow(/^Failed to open end 0: sides of \d+ bytes are too small for .*queue pair/);
      expect(carrier.closed).toBe(true);
      small.close();
    };
    refused(4096);
    refused(2 * 4096, 3);
    refused(SIDE_BYTES, 300);
    expect(RUN).toBe(3);
  });

  it('with interrupts: raises the peer at each change, and has descriptors to sleep on', () => {
    wire.close();
    wire = new FakeWire(SIDE_BYTES, 3);
    const [a, b] = [end(0, { queuePairs: 2 }), end(1, { queuePairs: 2 })];
    a.carrier.stateHandler();
    b.carrier.stateHandler();
    expect(a.carrier.contact).toEqual({ id: 8, vectors: 3 });
    expect(native.eventfdDrain(wire.events[1]?.[0] as number)).toBeGreaterThan(0n);
    expect([a.device.interrupts, a.device.interruptFd(1)]).toEqual(['eventfd', wire.events[0]?.[2]]);
    for (const one of [a, b]) one.start(2);
    settle(a, b);
    expect(a.device.linkUp).toBe(true);
    // The thread that slept looks again.
    expect(native.eventfdDrain(wire.events[0]?.[1] as number)).toBeGreaterThan(0n);
  });
});
