// SPDX-License-Identifier: BSD-3-Clause
// A peer that breaks the rules of its rings, against the driver: its ring stops or its entry is counted, and
// everything else continues.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Stage } from './support/stage.ts';
import { until } from './support/wait.ts';

describe('driver, device model and peer', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  it.each([
    'address-out-of-range',
    'chain-loop',
    'length-overflow',
    'address-out-of-range --packed',
    'chain-loop --packed',
    'length-overflow --packed --no-in-order',
    'indirect-outside --packed --event-idx',
  ])('stop a ring that the peer breaks by %s, count it, and continue', async (attack) => {
    await stage.startDevice();
    const port = stage.startPort();
    const peer = stage.startPeer('--hostile', ...attack.split(' '));
    await until('the ring is broken', () => String(port.info.details['RX engine 0']).startsWith('broken'));
    expect(port.xstats().get('rx_q0_invalid_desc')).toBe(1);
    expect(String(port.info.details['TX engine 0'])).toMatch(/^running/);
    expect(port.link().up).toBe(true);
    await peer.kill();
    await stage.finished(stage.startPeer('--count', '2000', '--no-reconnect'));
  });

  it.each([
    ['zero-length', 'rx_q0_undersize_errors'],
    ['short-buffer --packed', 'rx_q0_undersize_errors'],
    ['wrong-direction', 'rx_q0_invalid_buffers'],
  ])('continue after an unusable entry of the peer: %s', async (attack, counter) => {
    await stage.startDevice();
    const port = stage.startPort();
    stage.startPeer('--hostile', ...attack.split(' '));
    await until('it is counted', () => port.xstats().get(counter) === 1);
    expect(port.stats().ierrors).toBe(1);
    expect(port.xstats().get('rx_q0_invalid_desc')).toBe(0);
    for (const engine of ['RX engine 0', 'TX engine 0'])
      expect(String(port.info.details[engine])).toMatch(/^running/);
  });
});
