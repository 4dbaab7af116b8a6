// SPDX-License-Identifier: BSD-3-Clause
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { encode } from '../../src/abi/layout.ts';
import { VHOST_USER, VHOST_USER_U64, VHOST_USER_VRING_STATE } from '../../src/abi/vhost-user.ts';
import type { PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { replyBytes, type Script, ScriptedBackEnd, u64Bytes } from '../../test/support/scripted-back-end.ts';
import { until } from '../../test/support/wait.ts';
import { Channel } from './channel.ts';

const closers: (() => void)[] = [];

function connect(script: Script = {}, timeoutMs = 2000): { channel: Channel; backEnd: ScriptedBackEnd } {
  const [ours, theirs] = native.socketPair();
  const channel = new Channel(ours, '/run/back-end', timeoutMs);
  const backEnd = new ScriptedBackEnd(theirs, { features: 5n, protocolFeatures: 0n, queuePairs: 1, script });
  closers.push(
    () => channel.close(),
    () => backEnd.close(),
  );
  return { channel, backEnd };
}

const getFeatures = (channel: Channel): Promise<DataView> => channel.call('GET_FEATURES', VHOST_USER_U64);
const openFds = (): number => readdirSync('/proc/self/fd').length;

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe('a vhost-user exchange', () => {
  it('returns the payload of the reply', async () => {
    const { channel } = connect();
    expect((await getFeatures(channel)).getBigUint64(0, true)).toBe(5n);
  });

  it('takes a reply that arrives byte by byte', async () => {
    const { channel, backEnd } = connect({ GET_FEATURES: () => 'silence' });
    const reply = getFeatures(channel);
    await until('the request is there', () => backEnd.messages.length === 1);
    for (const byte of u64Bytes(VHOST_USER.GET_FEATURES, 77n)) {
      backEnd.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    expect((await reply).getBigUint64(0, true)).toBe(77n);
  });

  it('keeps exchanges that start together apart and in order', async () => {
    const { channel, backEnd } = connect();
    const state = (index: number): DataView => encode(VHOST_USER_VRING_STATE, { index });
    const replies = await Promise.all(
      [3, 1, 2].map((index) => channel.call('GET_VRING_BASE', VHOST_USER_VRING_STATE, state(index))),
    );
    expect(replies.map((reply) => reply.getUint32(0, true))).toEqual([3, 1, 2]);
    expect(backEnd.messages).toHaveLength(3);
  });

  it('asks for an acknowledgement only when REPLY_ACK was negotiated', async () => {
    const { channel, backEnd } = connect();
    await channel.acked('SET_OWNER');
    channel.replyAck = true;
    await channel.acked('SET_OWNER');
    await until('both are there', () => backEnd.messages.length === 2);
    expect(backEnd.messages.map(({ flags }) => flags)).toEqual([1, 9]);
  });

  it('hands descriptors over and leaves ours open', async () => {
    const { channel, backEnd } = connect();
    const fd = native.eventfd();
    closers.push(() => native.close(fd));
    await channel.send('SET_VRING_KICK', encode(VHOST_USER_U64, { value: 0n }), [fd]);
    await until('the message is there', () => backEnd.messages.length === 1);
    native.eventfdSignal(backEnd.messages[0]?.fds[0] as number);
    expect(native.eventfdDrain(fd)).toBe(1n);
  });
});

describe('a back-end that breaks the protocol ends the connection', () => {
  const answer = encode(VHOST_USER_U64, { value: 1n });
  const short = new DataView(new ArrayBuffer(4));
  const id = VHOST_USER.GET_FEATURES;
  const cases: [string, Uint8Array | 'hang up' | 'silence', string, RegExp][] = [
    [
      'a reply that is too short',
      replyBytes(id, short),
      'VPCI_BACKEND_PROTOCOL',
      /with 4 bytes instead of 8/,
    ],
    [
      'a length beyond any message',
      replyBytes(id, answer, { size: 0xffff_ffff }),
      'VPCI_BACKEND_PROTOCOL',
      /4294967295 bytes/,
    ],
    [
      'the reply to another request',
      replyBytes(id + 1, answer),
      'VPCI_BACKEND_PROTOCOL',
      /answered GET_FEATURES with message 2/,
    ],
    [
      'a reply without the reply flag',
      replyBytes(id, answer, { flags: 1 }),
      'VPCI_BACKEND_PROTOCOL',
      /flags 0x1/,
    ],
    [
      'a reply of another version',
      replyBytes(id, answer, { flags: 6 }),
      'VPCI_BACKEND_PROTOCOL',
      /flags 0x6/,
    ],
    [
      'a hang-up instead of a reply',
      'hang up',
      'VPCI_BACKEND_GONE',
      /closed the connection before it answered: another peer is connected/,
    ],
  ];

  it.each(cases)('%s', async (_name, wrong, code, message) => {
    const { channel } = connect({ GET_FEATURES: () => wrong });
    const reported: PmdError[] = [];
    channel.onClosed = (error) => reported.push(error);
    const error = await getFeatures(channel).catch((caught: PmdError) => caught);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(error).toMatchObject({ message: expect.stringContaining('/run/back-end') });
    expect(channel.open).toBe(false);
    expect(reported).toEqual([error]);
    await expect(getFeatures(channel)).rejects.toMatchObject({ code });
  });

  it('a hang-up in the middle of a reply', async () => {
    const { channel, backEnd } = connect({ GET_FEATURES: () => 'silence' });
    const reply = getFeatures(channel);
    await until('the request is there', () => backEnd.messages.length === 1);
    backEnd.write(u64Bytes(VHOST_USER.GET_FEATURES, 1n).subarray(0, 15));
    backEnd.close();
    await expect(reply).rejects.toMatchObject({ code: 'VPCI_BACKEND_GONE' });
  });

  it('an unsolicited message', async () => {
    const { channel, backEnd } = connect();
    const reported: PmdError[] = [];
    channel.onClosed = (error) => reported.push(error);
    backEnd.write(u64Bytes(VHOST_USER.GET_FEATURES, 1n));
    await until('the connection ends', () => !channel.open);
    expect(reported).toMatchObject([{ code: 'VPCI_BACKEND_PROTOCOL' }]);
  });

  it('a hang-up between messages is reported once', async () => {
    const { channel, backEnd } = connect();
    let reported = 0;
    channel.onClosed = () => reported++;
    backEnd.close();
    await until('the connection ends', () => !channel.open);
    await expect(channel.send('SET_OWNER')).rejects.toMatchObject({ code: 'VPCI_BACKEND_GONE' });
    expect(reported).toBe(1);
  });

  it('silence', async () => {
    const { channel } = connect({ GET_FEATURES: () => 'silence' }, 30);
    await expect(getFeatures(channel)).rejects.toMatchObject({
      code: 'VPCI_BACKEND_TIMEOUT',
      message: expect.stringMatching(/did not reply to GET_FEATURES within 30 ms/),
    });
    expect(channel.open).toBe(false);
  });
});

describe('refusals and ends', () => {
  it('an error acknowledgement is an error that leaves the connection open', async () => {
    const { channel } = connect({ SET_FEATURES: () => u64Bytes(VHOST_USER.SET_FEATURES, 1n) });
    channel.replyAck = true;
    await expect(channel.acked('SET_FEATURES', encode(VHOST_USER_U64, { value: 9n }))).rejects.toMatchObject({
      code: 'VPCI_BACKEND_REFUSED',
      message: expect.stringMatching(/refused SET_FEATURES/),
    });
    expect((await getFeatures(channel)).byteLength).toBe(8);
  });

  it('close() fails pending requests and is not reported as a loss', async () => {
    const { channel, backEnd } = connect({ GET_FEATURES: () => 'silence' });
    let reported = 0;
    channel.onClosed = () => reported++;
    const reply = getFeatures(channel);
    await until('the request is there', () => backEnd.messages.length === 1);
    channel.close();
    channel.close();
    await expect(reply).rejects.toMatchObject({ code: 'VPCI_BACKEND_CLOSED' });
    expect(reported).toBe(0);
    await until('the back-end sees it', () => backEnd.gone);
  });

  it('descriptors that come with a reply are not leaked', async () => {
    const { channel, backEnd } = connect({ GET_FEATURES: () => 'silence' });
    const before = openFds();
    const fd = native.eventfd();
    const reply = getFeatures(channel);
    await until('the request is there', () => backEnd.messages.length === 1);
    backEnd.write(u64Bytes(VHOST_USER.GET_FEATURES, 1n), [fd, fd, fd]);
    await reply;
    native.close(fd);
    expect(openFds()).toBe(before);
  });
});
