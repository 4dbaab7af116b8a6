// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { native } from '../../src/native.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { until } from '../../test/support/wait.ts';
import { closeAll } from './fds.ts';
import type { Framing, Message } from './frame-reader.ts';
import { FramedSocket } from './framed-socket.ts';

/** One byte of length, then that many bytes; 255 is refused. */
const framing: Framing = {
  headerBytes: 2,
  maxFds: 2,
  payloadBytes: (header) => (header.getUint8(0) === 255 ? 'a bad header' : header.getUint8(0)),
};

let mine: number;
let socket: FramedSocket;
let messages: { bytes: number[]; fds: number; truncated: boolean }[];
let closed: string[];
let faults: string[];
let onClosed: (reason: string) => void;
let onMessage: (message: Message) => void | Promise<void>;
let fdsBefore: number;

beforeEach(() => {
  fdsBefore = openFds();
  messages = [];
  closed = [];
  faults = [];
  onClosed = (reason) => closed.push(reason);
  onMessage = ({ data, fds, fdsTruncated }) => {
    messages.push({ bytes: [...new Uint8Array(data.buffer)], fds: fds.length, truncated: fdsTruncated });
  };
  const [a, b] = native.socketPair();
  mine = a;
  socket = new FramedSocket(b, framing, {
    onMessage: (message) => onMessage(message),
    onClosed: (reason) => onClosed(reason),
    onFault: (error) => faults.push((error as Error).message),
  });
});

afterEach(async () => {
  socket.close('the test is done');
  if (mine >= 0) native.close(mine);
  await until('all descriptors are closed', () => openFds() <= fdsBefore);
});

const send = (bytes: number[], fds: number[] = []) => native.sendMessage(mine, Uint8Array.from(bytes), fds);

describe('message socket', () => {
  it('assembles a message however it is split', async () => {
    const whole = [3, 9, 1, 2, 3];
    for (let cut = 1; cut < whole.length; cut++) {
      send(whole.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      send(whole.slice(cut));
      await until('the message is there', () => messages.length === cut);
      expect(messages.at(-1)).toEqual({ bytes: whole, fds: 0, truncated: false });
    }
  });

  it('regression: ends the connection without a reset, even with unread data', () => {
    send([3, 9, 1, 2, 3]);
    socket.close('enough');
    expect(native.receiveMessage(mine, new Uint8Array(1), 0)).toMatchObject({ bytes: 0 });
    expect(closed).toEqual(['enough']);
  });

  it('separates messages that arrive in one piece', async () => {
    send([1, 0, 7, 0, 0, 2, 0, 8, 9]);
    await until('all are there', () => messages.length === 3);
    expect(messages.map(({ bytes }) => bytes)).toEqual([
      [1, 0, 7],
      [0, 0],
      [2, 0, 8, 9],
    ]);
  });

  it('assigns descriptors to the message with whose bytes they arrived', async () => {
    const event = native.eventfd();
    send([1, 0, 7]);
    send([1, 0, 8], [event]);
    send([1, 0, 9]);
    await until('all are there', () => messages.length === 3);
    expect(messages.map(({ fds }) => fds)).toEqual([0, 1, 0]);
    native.close(event);
  });

  it('closes surplus descriptors and reports it', async () => {
    const event = native.eventfd();
    send([1, 0, 7], [event, event, event]);
    send([2, 0, 7], [event, event]);
    send([9], [event]);
    await until('both are there', () => messages.length === 2);
    expect(messages[0]).toMatchObject({ fds: 2, truncated: true });
    expect(messages[1]).toMatchObject({ fds: 2, truncated: true });
    native.close(event);
  });

  it('counts descriptors over the whole message', async () => {
    const event = native.eventfd();
    send([2, 0], [event, event]);
    send([7], [event, event]);
    send([8], [event]);
    await until('it is there', () => messages.length === 1);
    expect(messages[0]).toEqual({ bytes: [2, 0, 7, 8], fds: 2, truncated: true });
    native.close(event);
  });

  it('keeps a descriptor that the handler took, and closes the others', async () => {
    const event = native.eventfd();
    const kept: number[] = [];
    onMessage = ({ fds }) => {
      kept.push(...fds.splice(0, 1));
    };
    send([0, 0], [event, event]);
    await until('it is there', () => kept.length === 1);
    expect(native.isEventfd(kept[0] as number)).toBe(true);
    closeAll(kept);
    native.close(event);
  });

  it('reads nothing while a handler works', async () => {
    let release = () => {};
    const order: string[] = [];
    onMessage = async ({ data }) => {
      order.push(`start ${data.getUint8(1)}`);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      order.push(`end ${data.getUint8(1)}`);
    };
    send([0, 1, 0, 2]);
    await until('the first has started', () => order.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(order).toEqual(['start 1']);
    release();
    await until('the second has started', () => order.length === 3);
    expect(order).toEqual(['start 1', 'end 1', 'start 2']);
    release();
    await until('the second has ended', () => order.length === 4);
  });

  it('closes when the other side leaves, also in the middle of a message', async () => {
    const event = native.eventfd();
    send([5, 0, 1], [event]);
    native.close(event);
    native.close(mine);
    mine = -1;
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['it disconnected in the middle of a message']);
  });

  it('closes on an invalid header', async () => {
    send([255, 0]);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['a bad header']);
    socket.close('again');
    expect(closed).toHaveLength(1);
  });

  it('closes when a handler throws, now or later', async () => {
    onMessage = () => {
      throw new Error('oops');
    };
    send([0, 0]);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['internal error: oops']);
  });

  it('queues what a full socket does not take, with its descriptors, in order', async () => {
    const event = native.eventfd();
    const chunk = new Uint8Array(100_000).fill(1);
    for (let i = 0; i < 20; i++) socket.send(chunk);
    socket.send(Uint8Array.of(2), [event]);
    native.close(event);
    let bytes = 0;
    let fds: number[] = [];
    const into = new Uint8Array(65536);
    await until('all has come', () => {
      for (let got = native.receiveMessage(mine, into, 4); got; got = native.receiveMessage(mine, into, 4)) {
        bytes += got.bytes;
        fds = fds.concat(got.fds);
      }
      return bytes === 2_000_001;
    });
    expect(fds).toHaveLength(1);
    expect(closed).toEqual([]);
    closeAll(fds);
  });

  it('gives up on a peer that never reads', async () => {
    const chunk = new Uint8Array(1 << 20);
    for (let i = 0; i < 8 && closed.length === 0; i++) socket.send(chunk, []);
    expect(closed).toEqual(['it does not read its replies']);
  });

  it('regression: gives up on a peer that never reads before its small replies pile up', async () => {
    let sent = 0;
    for (; sent < 100_000 && closed.length === 0; sent++) socket.send(Uint8Array.of(1));
    expect(closed).toEqual(['it does not read its replies']);
    expect(sent).toBeLessThan(20_000);
  });

  it('regression: gives up on a peer that never reads before its descriptors pile up', async () => {
    socket.send(new Uint8Array(1 << 20), []);
    const before = openFds();
    for (let i = 0; i < 10_000 && closed.length === 0; i++) socket.send(Uint8Array.of(1), [mine, mine]);
    expect(closed).toEqual(['it does not read its replies']);
    expect(openFds()).toBeLessThanOrEqual(before);
  });

  it('regression: keeps no duplicate when the process runs out of descriptors', async () => {
    socket.send(new Uint8Array(1 << 20), []);
    const dup = vi.spyOn(native, 'dup');
    const fails = () => {
      throw new Error('EMFILE: too many open files, dup');
    };
    const before = openFds();
    dup.mockImplementationOnce(() => native.eventfd()).mockImplementationOnce(fails);
    expect(() => socket.send(Uint8Array.of(1), [mine, mine])).toThrow('EMFILE');
    dup.mockRestore();
    expect(openFds()).toBe(before);
  });
});

describe('what throws', () => {
  const thrower = () => {
    throw new Error('thrown on purpose');
  };

  it('in a message handler, at once or later, ends the connection', async () => {
    onMessage = thrower;
    send([0, 0]);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['internal error: thrown on purpose']);
  });

  it('in a promise of a message handler ends the connection', async () => {
    onMessage = () => new Promise((_, reject) => setImmediate(() => reject(new Error('thrown on purpose'))));
    send([0, 0]);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['internal error: thrown on purpose']);
  });

  it('at the end of the connection, even of one that ends for that reason, is reported once', async () => {
    onMessage = thrower;
    onClosed = (reason) => {
      closed.push(reason);
      throw new Error('thrown at the end');
    };
    send([0, 0]);
    await until('it is closed', () => closed.length > 0);
    expect(closed).toEqual(['internal error: thrown on purpose']);
    expect(faults).toEqual(['thrown at the end']);
  });

  it('when it goes on reading after a message ends the connection', async () => {
    onMessage = () => new Promise<void>((resolve) => setImmediate(resolve));
    send([0, 0]);
    await until('the message has come', () => socket.closed === false);
    const spy = vi.spyOn(native, 'watchFd').mockImplementation(thrower);
    await until('it is closed', () => closed.length > 0);
    spy.mockRestore();
    expect(closed).toEqual(['internal error: thrown on purpose']);
  });
});
