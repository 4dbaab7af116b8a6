// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { installedDpdk } from './dpdk.ts';

const folder = mkdtempSync(join(tmpdir(), 'dpdk-'));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

it("the installed DPDK's version is what its testpmd says, if there is one and it works", async () => {
  vi.stubEnv('PATH', `${folder}:/bin`);
  const program = join(folder, 'dpdk-testpmd');
  const saying = (script: string) => {
    writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return installedDpdk();
  };
  expect(await saying(`[ "$*" = "-v -h" ] && echo "EAL: RTE Version: 'DPDK 19.11.1'" >&2`)).toBe('19.11.1');
  expect(await saying('echo help')).toBeUndefined();
  expect(await saying('exit 3')).toBeUndefined();
  vi.stubEnv('PATH', '/nowhere');
  expect(await installedDpdk()).toBeUndefined();
});
