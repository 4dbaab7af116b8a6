// SPDX-License-Identifier: BSD-3-Clause
// Latencies end to end: peer, device model and testpmd as separate processes. The times themselves are not
// checked, only that every frame is accounted for.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTool } from './support/run-tool.ts';
import { startDeviceModel, Tool } from './support/tool.ts';

const RATE = 20_000;
const COUNT = 10_000;
/** This many of the first frames are due in the warm-up. */
const WARM_UP = 2000;

describe('vhost-pci-peer --mode latency', () => {
  let folder: string;
  const tools: Tool[] = [];
  const path = (name: string) => join(folder, name);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-latency-'));
    tools.push(await startDeviceModel({ vhostUser: path('u'), vfioUser: path('f') }));
  });

  afterEach(async () => {
    for (const tool of tools.splice(0).reverse()) await tool.kill();
    rmSync(folder, { recursive: true });
  });

  it.each(['io', 'macswap'])(
    'times each frame that %s sends back',
    async (mode) => {
      const testpmd = new Tool('src/testpmd/main.ts', [
        ...['--no-huge', '--vdev', `net_vhost_pci0,path=${path('f')}`],
        ...['--', '--auto-start', '--disable-link-check', `--forward-mode=${mode}`],
      ]);
      tools.push(testpmd);
      await testpmd.printed('packet forwarding');
      const { code, stdout, stderr } = await runTool('tools/peer/main.ts', [
        ...['--vhost-user', path('u'), '--mode', 'latency', '--rate', `${RATE}`, '--count', `${COUNT}`],
        ...['--warm-up', `${WARM_UP / RATE}`, '--no-reconnect', '--json'],
      ]);
      expect([code, stderr]).toEqual([0, expect.stringMatching(/^The back-end is up[^\n]*\n$/)]);
      const result = JSON.parse(stdout);
      expect(result).toMatchObject({
        final: true,
        txPackets: COUNT,
        rxPackets: COUNT,
        missing: 0,
        badChecksum: 0,
      });
      const { samples, minNs, p50Ns, p99Ns, p999Ns, maxNs } = result.latency;
      expect(samples).toBe(COUNT - WARM_UP);
      expect(
        [0, minNs, p50Ns, p99Ns, p999Ns].map((ns, i) => ns <= [minNs, p50Ns, p99Ns, p999Ns, maxNs][i]),
      ).toEqual(Array(5).fill(true));
      const counted = result.latencyBuckets.reduce(
        (sum: number, bucket: { samples: number }) => sum + bucket.samples,
        0,
      );
      expect(counted).toBe(samples);
    },
    120_000,
  );
});
