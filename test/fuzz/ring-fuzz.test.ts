// SPDX-License-Identifier: BSD-3-Clause
// The ring engine's fuzzers, for FUZZ_SECONDS each; longer runs: make -C test/fuzz fuzz-long.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { programMissing } from '../support/program-missing.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const seconds = Number(process.env.FUZZ_SECONDS ?? 15);

/** The fuzzer's final summary; its last lines if it found something. */
function fuzz(fuzzer: string): { executed: number; status: number | null; end: string } {
  const arguments_ = ['-s', '-C', folder, `check-${fuzzer}`, `SECONDS=${seconds}`];
  const run = spawnSync('make', arguments_, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const output = `${run.stdout}${run.stderr}`;
  const executed = Number(/number_of_executed_units: (\d+)/.exec(output)?.[1] ?? 0);
  return { executed, status: run.status, end: output.slice(-4000) };
}

const fuzzers = readdirSync(folder).flatMap((file) => /^(ring_\w+)\.cc$/.exec(file)?.[1] ?? []);

describe.skipIf(programMissing('clang++', 'clang libclang-rt-14-dev', 'fuzzers of the ring engine'))(
  'the ring engine keeps its promises under',
  () => {
    it.each(fuzzers)('%s', { timeout: (seconds + 300) * 1000 }, (fuzzer) => {
      const { executed, status, end } = fuzz(fuzzer);
      expect(status, end).toBe(0);
      expect(executed).toBeGreaterThan(readdirSync(`${folder}/corpus/${fuzzer}`).length);
    });
  },
);
