// SPDX-License-Identifier: BSD-3-Clause
// What a run says of a peer that breaks its rings, or whose packets are dropped.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startDeviceModel, Tool } from '../../test/support/tool.ts';
import { until } from '../../test/support/wait.ts';

const SCRIPT = 'tools/pktgen/main.ts';
const PORT = 'net_vhost_pci0';
/** Breaks the ring. */
const UNREADABLE = ['--hostile', 'straddles-end'];
/** Costs an entry: a frame too short to be one. */
const UNUSABLE = ['--hostile', 'zero-length'];

let folder: string;
const path = (name: string) => join(folder, name);
const tools: Tool[] = [];
const start = (script: string, ...args: string[]) => {
  const tool = new Tool(script, args);
  tools.push(tool);
  return tool;
};
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pktgen-'));
  tools.push(await startDeviceModel({ vhostUser: path('u'), vfioUser: path('f') }));
});
afterEach(async () => {
  for (const tool of tools.splice(0).reverse()) await tool.kill();
  rmSync(folder, { recursive: true });
});

const pktgen = (...args: string[]) =>
  start(SCRIPT, '--no-telemetry', '--plain', '--vdev', `${PORT},path=${path('f')}`, ...args);
const peer = (...args: string[]) =>
  start('tools/peer/main.ts', '--vhost-user', path('u'), '--cpu', '1', ...args);
const json = () => JSON.parse(readFileSync(path('a.json'), 'utf8'));

describe('a far end', () => {
  const farEnd = () => pktgen('--reflect', '--stats-period', '0.1', '--json', path('a.json'));

  it('regression: waits for its peer, says that it broke a ring, and serves the next', async () => {
    const tool = farEnd();
    await tool.printed(`waiting for the link of ${PORT},path=${path('f')}, until Ctrl-C: `);
    const hostile = peer('--mode', 'sink', ...UNREADABLE);
    const says = `${PORT} receives no more: the peer broke the rules of its ring (rx_q0_invalid_desc 1)`;
    await tool.printed(`${says}; waiting for another ring of the peer\n`);
    await hostile.kill();
    const honest = peer('--mode', 'latency', '--rate', '1000');
    await until('frames pass', () => /sent back [1-9]/.test(tool.output) || !tool.running);
    await honest.kill('SIGINT');
    await tool.kill('SIGINT');
    expect([tool.exitCode, tool.output]).toEqual([
      0,
      expect.stringContaining(`\n${PORT} met rings that cannot be read: rx_q0_invalid_desc 1\n`),
    ]);
    expect(tool.output.split(says)).toHaveLength(2);
    expect(json()).toMatchObject({ portErrors: { rx_q0_invalid_desc: 1 }, failures: [] });
  });

  it('regression: has failed where no packet could pass at its end', async () => {
    peer('--mode', 'sink', ...UNREADABLE);
    const tool = farEnd();
    await tool.printed('waiting for another ring of the peer');
    await tool.kill('SIGINT');
    expect([tool.exitCode, tool.output]).toEqual([1, expect.stringMatching(/^sent back 0 frames/m)]);
    expect(json().failures).toEqual([expect.stringContaining(`${PORT} receives no more`)]);
  });

  it('regression: names what was dropped, once when it happens and at its end', async () => {
    peer('--mode', 'sink', ...UNUSABLE);
    const tool = farEnd();
    const says = `${PORT} dropped packets: 1 received (rx_errors), rx_q0_undersize_errors 1`;
    await tool.printed(`${says} so far\n`);
    await tool.kill('SIGINT');
    expect([tool.exitCode, tool.output]).toEqual([0, expect.stringContaining(`\n${says}\n`)]);
    expect(tool.output.split(says)).toHaveLength(3);
    expect(json().portErrors).toEqual({ rx_errors: 1, rx_q0_undersize_errors: 1 });
  });
});

describe('a generator', () => {
  const paced = ['--rate', '1kpps', '--warm-up', '0', '--json'];

  it('regression: ends with the cause where the peer broke a ring', async () => {
    peer('--mode', 'sink', ...UNREADABLE, '--hostile-ring', 'rx');
    const tool = pktgen(...paced, path('a.json'));
    await until('it ends', () => !tool.running);
    expect([tool.exitCode, tool.output]).toEqual([1, expect.stringMatching(/^sent \d+ of \d+ due/m)]);
    const says = `${PORT} sends no more: the peer broke the rules of its ring (tx_q0_invalid_desc 1)`;
    expect(tool.output).toContain(`\nvhost-pci-pktgen: ${says}\n`);
    expect(json()).toMatchObject({ portErrors: { tx_q0_invalid_desc: 1 }, failures: [says] });
  });

  it('regression: ends a search with it', async () => {
    peer('--mode', 'sink', ...UNREADABLE);
    const tool = pktgen('--ndr', '--trial-time', '0.1');
    await until('it ends', () => !tool.running);
    expect([tool.exitCode, tool.output]).toEqual([
      1,
      expect.stringContaining(`: ${PORT} receives no more: `),
    ]);
  });

  it('regression: names what was dropped', async () => {
    peer('--mode', 'sink', ...UNUSABLE);
    const tool = pktgen(...paced, path('a.json'), '--no-return', '--duration', '0.5');
    await until('it ends', () => !tool.running);
    const says = `${PORT} dropped packets: 1 received (rx_errors), rx_q0_undersize_errors 1`;
    expect([tool.exitCode, tool.output]).toEqual([0, expect.stringContaining(`\n${says}\n`)]);
    expect(json().portErrors).toEqual({ rx_errors: 1, rx_q0_undersize_errors: 1 });
  });
});
