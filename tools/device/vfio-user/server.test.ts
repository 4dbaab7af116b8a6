// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user server: version, framing, and clients that are turned away.
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { decode } from '../../../src/abi/layout.ts';
import { VFIO_USER, VFIO_USER_HEADER, VFIO_USER_MAX_MESSAGE } from '../../../src/abi/vfio-user.ts';
import { until } from '../../../test/support/wait.ts';
import { join, u32s, vfioUserMessage } from '../test-help/channel.test-help.ts';
import type { TestDriver } from '../test-help/driver.test-help.ts';
import { servedFunctionForEachTest } from '../test-help/served-function.test-help.ts';

const { EINVAL, ENOSYS } = constants.errno;
const served = servedFunctionForEachTest();

const text = (payload: DataView, from: number) =>
  new TextDecoder().decode(new Uint8Array(payload.buffer, payload.byteOffset + from));

describe('VERSION', () => {
  it('agrees on 0.0 with a short, terminated string', async () => {
    const { error, payload } = await served.driver.version();
    expect(error).toBe(0);
    expect(payload.getUint32(0, true)).toBe(0);
    expect(text(payload, 4)).toBe('{"capabilities":{"max_msg_fds":8}}\0');
  });

  it('answers a short request with a reply that is no longer', async () => {
    const { error, payload } = await served.driver.request(VFIO_USER.VERSION, u32s(0));
    expect(error).toBe(0);
    expect(payload.byteLength).toBe(4);
  });

  it.each([
    ['another major version', join(u32s(1), new TextEncoder().encode('{}\0'))],
    ['no version at all', new Uint8Array(2)],
    ['a string without a terminator', join(u32s(0), new TextEncoder().encode('{}'))],
    ['a string that is not JSON', join(u32s(0), new TextEncoder().encode('{{{\0'))],
    ['a string that is not UTF-8', join(u32s(0), Uint8Array.of(0xff, 0xfe, 0))],
    ['JSON that is not an object', join(u32s(0), new TextEncoder().encode('[1]\0'))],
    ['capabilities that are not an object', join(u32s(0), new TextEncoder().encode('{"capabilities":3}\0'))],
    [
      'a max_msg_fds of another type',
      join(u32s(0), new TextEncoder().encode('{"capabilities":{"max_msg_fds":"8"}}\0')),
    ],
    ['a max_msg_fds of 0', join(u32s(0), new TextEncoder().encode('{"capabilities":{"max_msg_fds":0}}\0'))],
    ['a string that is too long', join(u32s(0), new Uint8Array(8192).fill(0x20, 0, 8191))],
    ['deep JSON', join(u32s(0), new TextEncoder().encode(`${'['.repeat(4000)}\0`))],
  ])('refuses %s and closes', async (_, payload) => {
    expect(await served.driver.errorOf(VFIO_USER.VERSION, payload)).toBe(EINVAL);
    await until('it is closed', () => served.driver.channel.closedBecause !== null);
  });

  it('must come first, and only once', async () => {
    expect(await served.driver.errorOf(VFIO_USER.DEVICE_RESET)).toBe(EINVAL);
    await until('it is closed', () => served.driver.channel.closedBecause !== null);
    const next = served.connect();
    expect((await next.version()).error).toBe(0);
    expect((await next.version()).error).toBe(EINVAL);
    expect(await next.errorOf(VFIO_USER.DEVICE_RESET)).toBe(0);
    next.close();
  });
});

describe('framing', () => {
  it.each([
    ['a size below the header', [0x0001_0007, 15, 0, 0]],
    ['a size of 0', [0x0001_0007, 0, 0, 0]],
    ['a size above the limit', [0x0001_0007, VFIO_USER_MAX_MESSAGE + 1, 0, 0]],
    ['a reply', [0x0001_0007, 16, 1, 0]],
    ['a type that does not exist', [0x0001_0007, 16, 5, 0]],
  ])('closes at %s', async (_, words) => {
    await served.driver.version();
    served.driver.channel.send(u32s(...words), [served.driver.memory]);
    await until('it is closed', () => served.driver.channel.closedBecause !== null);
    expect(served.lines.filter((line) => line.startsWith('driver disconnected'))).toHaveLength(1);
  });

  it('sends no reply to a message that wants none, not even an error', async () => {
    await served.driver.version();
    served.driver.channel.send(vfioUserMessage(VFIO_USER.DEVICE_RESET, new Uint8Array(0), 0x10, 1));
    served.driver.channel.send(vfioUserMessage(99, new Uint8Array(0), 0x10, 2));
    served.driver.channel.send(vfioUserMessage(99, new Uint8Array(0), 0, 3));
    const { data } = await served.driver.channel.receive();
    expect(decode(VFIO_USER_HEADER, data)).toEqual({
      id: 3,
      command: 99,
      size: 16,
      flags: 0x21,
      error: ENOSYS,
    });
  });

  it('goes on for the next driver after one was cut off', async () => {
    await served.driver.version();
    served.driver.channel.send(u32s(0, 0, 0, 0));
    await until('it is closed', () => served.driver.channel.closedBecause !== null);
    const next = served.connect();
    expect((await next.version()).error).toBe(0);
    next.close();
  });
});

describe('a reply to a client that is turned away', () => {
  it('limits how many may wait', async () => {
    await served.driver.version();
    const others = Array.from({ length: 12 }, () => served.connect());
    await until(
      'some were cut off',
      () => others.filter(({ channel }) => channel.closedBecause !== null).length >= 4,
    );
    expect((await (others[0] as TestDriver).version()).error).toBe(16);
    for (const other of others) other.close();
  });
});
