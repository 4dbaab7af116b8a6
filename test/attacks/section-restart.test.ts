// SPDX-License-Identifier: BSD-3-Clause
// RFC 2.1 over two files: either side is killed, ended, stopped or opened again at any moment, and packets
// pass again each time, with nothing held that was not held before. ROUNDS and SEED by environment.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { holdings } from '../support/holdings.ts';
import { FramePort, frameOf, SectionFiles } from '../support/section-files.ts';
import { Tool } from '../support/tool.ts';
import { until } from '../support/wait.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 12);
const SEED = Number(process.env.SEED ?? 1);
/** Rounds of half a second each, on a machine that is ten times as slow. */
const BOUND_MS = 60_000 + ROUNDS * 5000;
/** A process takes this long to start, so that a kill falls before, in and after it. */
const START_MS = 1500;

/** Numbers of [0, 1) that a seed repeats (Numerical Recipes' congruence). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

let files: SectionFiles;
let far: Tool | null;
let near: FramePort | null;

beforeEach(() => {
  files = new SectionFiles();
});
afterEach(async () => {
  await far?.kill();
  closeNear();
  files.close();
});

/** The echo at the far side: testpmd, or the least side. */
function startFar(least: boolean): Tool {
  const [own, peer] = files.paths.toReversed() as [string, string];
  if (least) return new Tool('test/support/minimum-side.ts', [own, peer]);
  const options = ['--forward-mode=macswap', '--auto-start', '--mbuf-size=9216', '--stats-period=3600'];
  return new Tool('src/testpmd/main.ts', ['--no-huge', '--vdev', files.device(1), '--', ...options]);
}

function closeNear(): void {
  near?.close();
  near = null;
}

/** One of these frames comes back; those that a restart dropped do not. */
async function passes(what: string): Promise<void> {
  let seed = 0;
  await until(`packets pass ${what}`, () => {
    near?.send([frameOf(60 + (seed % 1400), seed++)]);
    return (near?.receive().length ?? 0) > 0;
  });
}

it(
  `is served again after each of ${ROUNDS} kills, ends, stops and restarts`,
  async () => {
    const random = randomOf(SEED);
    const pick = (n: number) => Math.floor(random() * n);
    near = new FramePort(files.device(0));
    far = startFar(true);
    await passes('at first');
    const before = holdings(process.pid);
    for (let round = 0; round < ROUNDS; round++) {
      const action = pick(5);
      const what = `in round ${round} of seed ${SEED}, action ${action}`;
      if (action === 0) await far.kill('SIGKILL');
      else if (action === 1) await far.kill('SIGTERM');
      else if (action === 2) near.port.stop();
      else if (action === 3) closeNear();
      else await far.kill('SIGKILL').then(() => near?.port.stop());
      // Traffic or nothing, for a moment that no test waits for: the next step comes at any state.
      const moment = performance.now() + random() * 50;
      await until('a moment has passed', () => {
        near?.send([frameOf(60, round)]);
        near?.receive();
        return performance.now() > moment;
      });
      near ??= new FramePort(files.device(0));
      near.port.start();
      if (!far.running) far = startFar(random() < 0.5);
      if (random() < 0.3) {
        const early = far;
        const killed = performance.now() + random() * START_MS;
        await until('it is killed while it starts', () => performance.now() > killed || !early.running);
        await early.kill('SIGKILL');
        far = startFar(true);
      }
      await passes(what);
      expect(near.port.xstats().get('section_illegal_states'), what).toBe(0);
      expect(near.port.xstats().get('rx_q0_invalid_desc'), what).toBe(0);
    }
    expect(holdings(process.pid)).toEqual(before);
  },
  BOUND_MS,
);
