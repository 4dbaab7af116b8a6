// SPDX-License-Identifier: BSD-3-Clause
// The device model's own tree on a telemetry socket.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';
import { greeted, runtimeDirectory, type TestClient } from '../../src/telemetry/telemetry.test-help.ts';
import { nodeArguments } from '../../test/support/program.ts';
import { until } from '../../test/support/wait.ts';
import { TestPeer } from './test-help/peer.test-help.ts';

const runtime = runtimeDirectory();
const socket = () => join(runtime.path, 'dpdk/dev/dpdk_telemetry.v2');
let folder = '';
let device: ChildProcess;
let ended = false;

async function start(...args: string[]): Promise<void> {
  ended = false;
  const main = nodeArguments('tools/device/main.ts');
  device = spawn(process.execPath, [...main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  device.stdout?.on('data', (data) => {
    out += data;
  });
  device.once('close', () => {
    ended = true;
  });
  await until('it is ready or has ended', () => out.includes('ready') || ended);
}

const sockets = () => ['--vhost-user', join(folder, 'a'), '--vfio-user', join(folder, 'b')];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-telemetry-'));
});
afterEach(async () => {
  device.kill('SIGKILL');
  await until('it has ended', () => ended);
  rmSync(folder, { recursive: true });
});

describe('vhost-pci-device --telemetry', () => {
  let client: TestClient;
  beforeEach(async () => {
    await start(...sockets(), '--telemetry', 'dev');
    client = await greeted(socket());
  });
  afterEach(() => client.close());

  it('says that nobody is there', async () => {
    expect(await client.ask('/vhost/list')).toEqual([]);
    expect(await client.ask('/vhost/peer')).toBeNull();
    expect(await client.ask('/vhost/ring,0')).toBeNull();
    expect(await client.ask('/vhost/driver')).toEqual({
      listening: true,
      ready: false,
      features_ok: false,
      features: '0x0',
    });
  });

  it('shows the peer, its rings, memory and messages, until it goes', async () => {
    const peer = new TestPeer(native.unixConnect(join(folder, 'a')));
    await peer.start();
    expect(await client.ask('/vhost/list')).toEqual([0]);
    expect(await client.ask('/vhost/peer')).toMatchObject({ ready: true, legacy: false, queue_pairs: 1 });
    expect(await client.ask('/vhost/rings')).toEqual([0, 1]);
    expect(await client.ask('/vhost/ring,1')).toMatchObject({
      index: 1,
      started: true,
      active: true,
      kick: true,
    });
    expect(await client.ask('/vhost/ring,2')).toBeNull();
    expect(await client.ask('/vhost/memory')).toMatchObject({
      bytes: peer.memoryBytes,
      files: 1,
      regions: [{ address: expect.stringMatching(/^0x/), size: peer.memoryBytes, offset: 0 }],
    });
    const messages = (await client.ask('/vhost/messages')) as Record<string, number>;
    expect(messages).toMatchObject({ SET_FEATURES: 1, SET_MEM_TABLE: 1, SET_VRING_KICK: 2 });
    peer.close();
    await expect.poll(() => client.ask('/vhost/list')).toEqual([]);
    expect(await client.ask('/vhost/messages')).toBeNull();
  });

  it('counts a hostile peer under names of the protocol only', async () => {
    const peer = new TestPeer(native.unixConnect(join(folder, 'a')));
    await peer.negotiate();
    for (const request of [99, 98, 97]) await peer.ack(request);
    expect(await client.ask('/vhost/messages')).toMatchObject({ unknown: 3, refused: 3 });
    peer.close();
  });

  it('removes its socket with its others', async () => {
    device.kill('SIGTERM');
    await until('it has ended', () => ended);
    expect(existsSync(socket())).toBe(false);
  });
});

describe('vhost-pci-device without', () => {
  it('has no such socket, and other devices refuse the option', async () => {
    await start(...sockets());
    expect(existsSync(socket())).toBe(false);
    device.kill('SIGTERM');
    await until('it has ended', () => ended);
    await start(
      '--symmetric',
      '--vfio-user',
      join(folder, 'c'),
      '--vfio-user',
      join(folder, 'd'),
      '--telemetry',
      'x',
    );
    await until('it has ended', () => ended);
    expect(device.exitCode).toBe(2);
  });
});
