// SPDX-License-Identifier: BSD-3-Clause
// Whole sessions of a hostile front-end and a hostile driver against the device model's process, for
// FUZZ_SECONDS. Longer runs, other seeds, and single sessions: control-path/main.ts.
import { expect, it } from 'vitest';
import { openFds } from '../support/open-fds.ts';
import { until } from '../support/wait.ts';
import { type Finding, Fuzzer } from './control-path/fuzzer.ts';

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 15);
const SEED = 1;

it(`the device model survives ${SECONDS} s of hostile sessions, and serves honest machines after each`, {
  timeout: (SECONDS + 120) * 1000,
}, async () => {
  const before = openFds();
  const fuzzer = new Fuzzer(SEED);
  const findings: Finding[] = [];
  const end = Date.now() + 1000 * SECONDS;
  let session = 0;
  for (; Date.now() < end && findings.length < 3; session++) {
    const finding = await fuzzer.session(session);
    if (finding) findings.push(finding);
  }
  const last = await fuzzer.finish(session - 1);
  expect([...findings, ...(last ? [last] : [])]).toEqual([]);
  expect(fuzzer.summary.steps).toBeGreaterThan(0);
  await until('no descriptor is left here', () => openFds() <= before);
});
