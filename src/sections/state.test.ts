// SPDX-License-Identifier: BSD-3-Clause
// The state machine on its own, and every interleaving of two sides that follow it and restart at any moment.
import { describe, expect, it } from 'vitest';
import { nextStates } from './state.ts';

const [RESET, INIT, READY, RUN] = [0, 1, 2, 3];

describe('a side', () => {
  const next = (own: number, peerWord: number, peerBefore = RESET, started = true) =>
    nextStates({ own, peerBefore, peerWord, started });

  it.each([
    [RESET, RESET, INIT],
    [RESET, INIT, INIT],
    [RESET, READY, RESET],
    [RESET, RUN, RESET],
    [INIT, RESET, INIT],
    [INIT, INIT, READY],
    [INIT, READY, READY],
    [READY, RESET, RESET],
    [READY, INIT, READY],
    [READY, READY, RUN],
    [READY, RUN, RUN],
    [RUN, RESET, RESET],
    [RUN, READY, RUN],
    [RUN, RUN, RUN],
  ])('in state %i that sees %i goes to %i', (own, peer, expected) => {
    expect(next(own, peer)).toEqual({ own: expected, peer, illegal: false });
  });

  it('stays READY until its port is started', () => {
    expect(next(READY, RUN, READY, false).own).toBe(READY);
  });

  it.each([
    [INIT, RESET, RUN],
    [READY, READY, INIT],
    [RUN, READY, INIT],
    [RUN, RUN, READY],
    [RUN, RUN, INIT],
    [RUN, RUN, 4],
    [READY, RESET, 0xffff_ffff],
  ])('in state %i takes a jump of its peer from %i to %i for a reset', (own, before, word) => {
    const { illegal, peer, own: then } = next(own, word, before);
    expect({ illegal, peer }).toEqual({ illegal: true, peer: RESET });
    expect(then).toBe(own === INIT ? INIT : RESET);
  });

  it('does not leave RESET for a word that is no state', () => {
    expect(next(RESET, 77)).toEqual({ own: RESET, peer: RESET, illegal: true });
  });
});

/**
 * One side of the model: what it shows, the peer's state that it accepted, and how often its section was
 * cleared.
 */
interface Side {
  readonly own: number;
  readonly peer: number;
  /** Both sides began to work on each other's rings: the other's epoch that this one works with, or -1. */
  readonly works: number;
  readonly epoch: number;
}

const START: Side = { own: RESET, peer: RESET, works: -1, epoch: 0 };
const MOST_RESTARTS = 3;

function step(side: Side, other: Side): { side: Side; illegal: boolean } {
  const { own, peer, illegal } = nextStates({
    own: side.own,
    peerBefore: side.peer,
    peerWord: other.own,
    started: true,
  });
  const cleared = own === READY && side.own === INIT;
  const both = own === RUN && peer === RUN;
  return {
    illegal,
    side: {
      own,
      peer,
      epoch: side.epoch + (cleared ? 1 : 0),
      works: both ? (side.works >= 0 ? side.works : other.epoch) : -1,
    },
  };
}

describe('two sides that follow the rules', () => {
  it('never work on a section of an older start, never see a jump, and can always get to RUN', () => {
    const seen = new Map<string, readonly [Side, Side, number]>();
    const todo: (readonly [Side, Side, number])[] = [[START, START, 0]];
    while (todo.length > 0) {
      const [a, b, restarts] = todo.pop() as readonly [Side, Side, number];
      const key = JSON.stringify([a, b, restarts]);
      if (seen.has(key)) continue;
      seen.set(key, [a, b, restarts]);
      const ofA = step(a, b);
      const ofB = step(b, a);
      expect([ofA.illegal, ofB.illegal]).toEqual([false, false]);
      // A side that restarted is noticed at the next look: until then its section has not been cleared again.
      for (const [side, other] of [
        [a, b],
        [b, a],
      ] as const)
        if (side.works >= 0) expect(other.epoch).toBe(side.works);
      todo.push([ofA.side, b, restarts], [a, ofB.side, restarts]);
      if (restarts === MOST_RESTARTS) continue;
      const again = (side: Side): Side => ({ ...START, epoch: side.epoch });
      todo.push([again(a), b, restarts + 1], [a, again(b), restarts + 1]);
    }
    expect(seen.size).toBeGreaterThan(100);
    for (const [a, b] of seen.values()) expect(settled(a, b)).toEqual([RUN, RUN]);
  });
});

/** Where both get to in turns. */
function settled(a: Side, b: Side): [number, number] {
  let [left, right] = [a, b];
  for (let turn = 0; turn < 12; turn++) {
    left = step(left, right).side;
    right = step(right, left).side;
  }
  return [left.own, right.own];
}
