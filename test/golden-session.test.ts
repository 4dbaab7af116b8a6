// SPDX-License-Identifier: BSD-3-Clause
// The same script to dpdk-testpmd of two versions and to ours, on the same ports: what they print is the
// same, numbers and addresses aside, but for the differences that docs/dialect.md gives reasons for. One that
// is not listed fails, and one that is listed and gone.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DIALECT_DIFFERENCES } from '../src/testpmd/dialect-differences.ts';
import { judge, listed } from './golden/listed.ts';
import { newerTestpmd } from './golden/newer-dpdk.ts';
import { answersOn, PAIRS } from './golden/pairs.ts';
import { SCRIPT } from './golden/script.ts';
import { type Answer, differences } from './golden/transcript.ts';
import { dpdkMissing, driversMissing, inCi } from './support/dpdk.ts';
import { tapMissing } from './support/netns.ts';

/** Of DPDK 24.11, where its mirror is slow. */
const DOWNLOAD_MS = 600_000;
const LIST = listed(new URL('./golden/differences.txt', import.meta.url));

/** Drivers of DPDK that are packages of their own, by kind of ports. */
const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  net_tap: ['net_tap'],
  net_pcap: ['net_pcap'],
  net_pcap_iface: ['net_pcap'],
  live: ['net_vhost', 'net_virtio'],
};

function missing(kind: string): boolean {
  if (driversMissing(DRIVERS[kind] ?? [], `golden session on ${kind}`)) return true;
  return (kind === 'net_tap' || kind === 'net_pcap_iface') && tapMissing() !== false;
}

/** What ours answers on ports of a kind: once for both versions. */
const known = new Map<string, Promise<Answer[]>>();

function ourAnswers(kind: string): Promise<Answer[]> {
  const answers = known.get(kind) ?? answersOn(kind, SCRIPT);
  known.set(kind, answers);
  return answers;
}

async function expectListed(kind: string, version: string, program: readonly string[]): Promise<void> {
  const theirs = await answersOn(kind, SCRIPT, program);
  const ours = await ourAnswers(kind);
  expect(judge(LIST, kind, version, differences(ours, theirs))).toEqual({ unlisted: [], gone: [] });
  expect(ours.flatMap(({ lines }) => lines).length).toBeGreaterThan(300);
}

/** Whether the installed one is another than 22.11, as Debian 13 has it; in CI it is taken for 22.11. */
function otherInstalled(): boolean {
  if (dpdkMissing() || inCi()) return false;
  const eal = ['-v', '--no-huge', '--in-memory', '--no-pci', '--no-telemetry', '-m', '64', '--', '--help'];
  const { stdout, stderr } = spawnSync('dpdk-testpmd', eal, { encoding: 'utf8', timeout: 30_000 });
  const version = /RTE Version: 'DPDK (\d+\.\d+)/.exec(stdout + stderr)?.[1] ?? '22.11';
  if (version !== '22.11') console.warn(`Golden sessions with DPDK 22.11 are skipped: this is ${version}`);
  return version !== '22.11';
}

describe.skipIf(otherInstalled())('a script to dpdk-testpmd 22.11 and to ours', () => {
  for (const kind of Object.keys(PAIRS)) {
    it.skipIf(missing(kind))(`prints the same on ${kind}, but for what is listed`, () =>
      expectListed(kind, '22.11', ['dpdk-testpmd']),
    );
  }
});

describe.skipIf(dpdkMissing())('a script to dpdk-testpmd 24.11 and to ours', () => {
  let program: readonly string[] = [];
  let absent: string | undefined;

  beforeAll(async () => {
    const newer = await newerTestpmd();
    if (typeof newer !== 'string') program = newer;
    else absent = newer;
    if (absent) console.warn(`Golden sessions with DPDK 24.11 are skipped: ${absent}`);
  }, DOWNLOAD_MS);

  for (const kind of Object.keys(PAIRS)) {
    it.skipIf(missing(kind))(`prints the same on ${kind}, but for what is listed`, async ({ skip }) => {
      if (absent) skip(absent);
      await expectListed(kind, '24.11', program);
    });
  }
});

it('DPDK 24.11 that cannot be had is a reason, and in CI an error', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpci-no-dpdk-'));
  const env = { XDG_CACHE_HOME: folder, VPCI_RIG_MIRROR: 'http://127.0.0.1:9/debian' };
  const asked = newerTestpmd(env);
  await expect(newerTestpmd({ ...env, CI: 'true' })).rejects.toThrow(/apt-get/);
  expect(await asked).toMatch(/apt-get/);
  rmSync(folder, { recursive: true });
});

describe('the list of differences', () => {
  it('has rows of docs/dialect.md only', () => {
    const rows = new Set(DIALECT_DIFFERENCES.map(({ where }) => where));
    expect(LIST.length).toBeGreaterThan(20);
    expect(LIST.filter(({ row }) => !rows.has(row))).toEqual([]);
    expect(LIST.filter(({ kinds }) => kinds.some((kind) => !(kind in PAIRS)))).toEqual([]);
  });

  it('has versions of these two only, and rows of one version only for that', () => {
    expect(new Set(LIST.flatMap(({ versions }) => versions))).toEqual(new Set(['22.11', '24.11']));
    const only = new Map(DIALECT_DIFFERENCES.map((each) => [each.where, each.only]));
    const amiss = LIST.filter(({ row, versions }) => only.get(row) && String(versions) !== only.get(row));
    expect(amiss).toEqual([]);
  });

  it('finds what it does not have, and misses what it has', () => {
    const [first] = LIST;
    const known = {
      command: 'set promisc 0 off',
      ours: [],
      theirs: [`Error during disabling promiscuous mode for port N: Operation not supported`],
    };
    const { unlisted, gone } = judge(LIST, 'net_null', '22.11', [known, { ...known, ours: ['frob'] }]);
    expect(unlisted).toEqual([{ ...known, ours: ['frob'] }]);
    expect(gone).toContain(`${first?.row}: ${first?.commands[0]}`);
    expect(gone.some((each) => each.endsWith(': set promisc 0 off'))).toBe(false);
  });
});
