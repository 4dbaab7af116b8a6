// SPDX-License-Identifier: BSD-3-Clause
// The gate of a ring (docs/device-abi.md, "GATE") under random orders of both sides' actions: a front-end
// that stops, disables, starts, kicks and changes its memory table, and a driver whose bursts start and stay
// at random, which reads its messages late, sends unsolicited or duplicate acknowledgements, or never lets
// go. In every case, once the front-end has its answer, a driver that follows the rules stores nothing into
// the ring; and there is an answer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decode, encode } from '../../src/abi/layout.ts';
import {
  VHOST_PCI_CTRL_HDR,
  VHOST_PCI_CTRL_SESSION,
  VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED,
  VHOST_PCI_GATE_REVOKED,
  VHOST_PCI_QUEUE_STOP,
  VHOST_PCI_REMOTE_QUEUE_ENTRY,
} from '../../src/abi/vhost-pci.ts';
import { native } from '../../src/native.ts';
import { createDevice } from '../../tools/device/device.ts';
import {
  DRIVER_NET,
  GATE,
  REMAP,
  SESSION,
  TestDriver,
} from '../../tools/device/test-help/driver.test-help.ts';
import { TestPeer } from '../../tools/device/test-help/peer.test-help.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 100);
/** A driver that does not let go is given up after one second. */
const ANSWER_MS = 60_000;
/** Bursts of two lcores in one ring are against the rules, so each ring has one. */
const RINGS = [0, 1] as const;
type Ring = (typeof RINGS)[number];
const queueOf = (ring: Ring): number => ring ^ 1;

type FrontEndStep = 'stop' | 'start' | 'enable' | 'disable' | 'kick' | 'memory';
type DriverStep = 'look' | 'enter' | 'store' | 'leave' | 'lie' | 'acknowledge';
interface Step {
  readonly ring: Ring;
  readonly frontEnd?: FrontEndStep;
  readonly driver?: DriverStep;
  /** Turns of the event loop before the next step. */
  readonly turns: number;
}

const ring = fc.constantFrom(...RINGS);
const turns = fc.nat(3);
const steps = (lies: boolean): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      fc.record({
        ring,
        turns,
        frontEnd: fc.constantFrom<FrontEndStep>(
          'stop',
          'stop',
          'start',
          'enable',
          'disable',
          'kick',
          'memory',
        ),
      }),
      fc.record({
        ring,
        turns,
        driver: fc.constantFrom<DriverStep>(
          ...(['look', 'enter', 'enter', 'store', 'store', 'leave', 'acknowledge'] as const),
          ...(lies ? (['lie'] as const) : []),
        ),
      }),
    ),
    { minLength: 5, maxLength: 40 },
  );

/** A driver with a burst that may be inside a ring. */
class Bursts {
  readonly #driver: TestDriver;
  readonly #serials = [0, 0];
  readonly #inside = [false, false];
  /** Rings that the front-end has taken back. */
  readonly takenBack = [false, false];
  stores = 0;
  wrong: string[] = [];

  constructor(driver: TestDriver) {
    this.#driver = driver;
  }

  look(): void {
    const { size } = VHOST_PCI_REMOTE_QUEUE_ENTRY;
    for (const message of this.#driver.collect()) {
      if (message[0] !== 1) continue;
      for (const ring of RINGS) {
        const { serial } = decode(
          VHOST_PCI_REMOTE_QUEUE_ENTRY,
          new DataView(message.buffer),
          4 + ring * size,
        );
        if (!this.#inside[ring]) this.#serials[ring] = serial;
      }
    }
  }

  enter(ring: Ring): void {
    if (this.#inside[ring]) return;
    this.#driver.setBusy(queueOf(ring), 1);
    const serial = this.#serials[ring] as number;
    this.#inside[ring] = serial !== 0 && this.#driver.allowed(queueOf(ring)) === serial;
    if (!this.#inside[ring]) this.#driver.setBusy(queueOf(ring), 0);
  }

  /** A driver that has been given up leaves the ring alone. */
  store(ring: Ring): void {
    if (!this.#inside[ring] || this.#driver.allowed(queueOf(ring)) === VHOST_PCI_GATE_REVOKED) return;
    this.stores++;
    if (this.takenBack[ring]) this.wrong.push(`a store into ring ${ring}, which was taken back`);
  }

  leave(ring: Ring): void {
    this.#inside[ring] = false;
    this.#driver.setBusy(queueOf(ring), 0);
  }

  /** Claims that a burst is inside when there is none. */
  lie(ring: Ring): void {
    if (!this.#inside[ring]) this.#driver.setBusy(queueOf(ring), 0x8000_0001);
  }

  /** Acknowledges, twice, a request that a driver with GATE is never sent. */
  async acknowledge(ring: Ring): Promise<void> {
    const size = VHOST_PCI_CTRL_HDR.size + VHOST_PCI_QUEUE_STOP.size;
    const view = new DataView(new ArrayBuffer(size));
    const [group, cmd] = [VHOST_PCI_CTRL_SESSION, VHOST_PCI_CTRL_SESSION_QUEUE_STOPPED];
    encode(VHOST_PCI_CTRL_HDR, { class: group, cmd, size }, view);
    encode(VHOST_PCI_QUEUE_STOP, { index: ring, token: 1 }, view, VHOST_PCI_CTRL_HDR.size);
    for (let i = 0; i < 2; i++) await this.#driver.send(new Uint8Array(view.buffer));
  }
}

class FrontEnd {
  readonly #peer: TestPeer;
  readonly #bursts: Bursts;
  readonly #started = [true, true];
  readonly #enabled = [true, true];

  constructor(peer: TestPeer, bursts: Bursts) {
    this.#peer = peer;
    this.#bursts = bursts;
  }

  async step(what: FrontEndStep, ring: Ring): Promise<void> {
    const { takenBack } = this.#bursts;
    if (what === 'kick') return void native.eventfdSignal(this.#peer.kicks[ring] as number);
    if (what === 'memory') return void expect(await this.#peer.sendMemory()).toBe(0n);
    if (what === 'stop' || what === 'disable') {
      if (what === 'stop') await this.#peer.vringBase(ring);
      else await this.#peer.enable(ring, 0);
      (what === 'stop' ? this.#started : this.#enabled)[ring] = false;
      takenBack[ring] = true;
      return;
    }
    (what === 'start' ? this.#started : this.#enabled)[ring] = true;
    takenBack[ring] = !(this.#started[ring] && this.#enabled[ring]);
    if (what === 'start') await this.#peer.startRing(ring);
    else await this.#peer.enable(ring);
  }
}

async function play(list: readonly Step[], leaves: boolean): Promise<Bursts> {
  const folder = mkdtempSync(join(tmpdir(), 'vpci-gate-fuzz-'));
  const device = createDevice({ vhostUser: join(folder, 'vhost'), vfioUser: join(folder, 'vfio') });
  const peer = new TestPeer(native.unixConnect(join(folder, 'vhost')));
  const driver = new TestDriver(native.unixConnect(join(folder, 'vfio')));
  const bursts = new Bursts(driver);
  try {
    await peer.start();
    await driver.start(DRIVER_NET | SESSION | REMAP | GATE);
    await driver.untilLink(true);
    bursts.look();
    const frontEnd = new FrontEnd(peer, bursts);
    // Both sides run concurrently; each of them does one thing at a time.
    let asking = Promise.resolve();
    let acknowledging = Promise.resolve();
    for (const { ring, frontEnd: asks, driver: does, turns: wait } of list) {
      if (asks) asking = asking.then(() => frontEnd.step(asks, ring));
      else if (does === 'acknowledge') acknowledging = acknowledging.then(() => bursts.acknowledge(ring));
      else if (does === 'look') bursts.look();
      else if (does) bursts[does](ring);
      for (let i = 0; i < wait; i++) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    for (const each of RINGS) {
      bursts.store(each);
      if (leaves) bursts.leave(each);
    }
    const late = new Promise<string>((resolve) => setTimeout(() => resolve('late'), ANSWER_MS).unref());
    expect(await Promise.race([Promise.all([asking, acknowledging]), late])).not.toBe('late');
    for (const each of RINGS) {
      bursts.store(each);
      bursts.enter(each);
      bursts.store(each);
    }
    return bursts;
  } finally {
    driver.close();
    peer.close();
    device.close();
    rmSync(folder, { recursive: true });
  }
}

it.each([
  ['comes and goes', false, true, RUNS],
  // Each of these may take a second.
  ['never lets go in the end', false, false, RUNS / 4],
  ['says that it is inside when it is not', true, false, RUNS / 4],
] as const)(
  'a driver that %s does not store into a ring that was taken back',
  async (_, lies, leaves, numRuns) => {
    let stores = 0;
    await fc.assert(
      fc.asyncProperty(steps(lies), async (list) => {
        const bursts = await play(list, leaves);
        stores += bursts.stores;
        expect(bursts.wrong).toEqual([]);
      }),
      { numRuns, interruptAfterTimeLimit: 90_000 },
    );
    expect(stores).toBeGreaterThan(0);
  },
);
