// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { closeAll } from './fds.ts';
import { FrameReader, type Framing, StreamEnd } from './frame-reader.ts';

/**
 * One byte of length, then that many bytes; a length of 255 is refused, and one of 9 already by the early
 * check.
 */
const framing: Framing = {
  headerBytes: 2,
  maxFds: 2,
  payloadBytes: (header) => (header.getUint8(0) === 255 ? 'a bad header' : header.getUint8(0)),
  early: { bytes: 1, fault: (head) => (head.getUint8(0) === 9 ? 'another protocol' : null) },
};

let theirs: number;
let ours: number;
let reader: FrameReader;
let fdsBefore: number;

beforeEach(() => {
  fdsBefore = openFds();
  [theirs, ours] = native.socketPair();
  reader = new FrameReader(framing);
});

afterEach(() => {
  reader.close();
  native.close(ours);
  if (theirs >= 0) native.close(theirs);
  expect(openFds()).toBe(fdsBefore);
});

const send = (bytes: number[], fds: number[] = []) => native.sendMessage(theirs, Uint8Array.from(bytes), fds);
const read = () => {
  const message = reader.read(ours);
  return message && [...new Uint8Array(message.data.buffer)];
};
const end = (): StreamEnd => {
  try {
    reader.read(ours);
  } catch (error) {
    if (error instanceof StreamEnd) return error;
    throw error;
  }
  throw new Error('the stream has not ended');
};

describe('frame reader', () => {
  it('waits for the rest of a message', () => {
    send([2, 0, 7]);
    expect([read(), reader.begun]).toEqual([null, true]);
    send([8, 1, 0, 5]);
    expect([read(), reader.begun]).toEqual([[2, 0, 7, 8], false]);
    expect(read()).toEqual([1, 0, 5]);
    expect(read()).toBeNull();
  });

  it('keeps as many descriptors as the framing allows, and closes the rest', () => {
    const fds = [native.eventfd(), native.eventfd(), native.eventfd()];
    send([1, 0, 7], fds);
    closeAll(fds);
    const message = reader.read(ours);
    expect([message?.fds.length, message?.fdsTruncated]).toEqual([2, true]);
    expect(openFds()).toBe(fdsBefore + 4);
    closeAll(message?.fds ?? []);
  });

  it('closes the descriptors of a message that is never completed', () => {
    const fd = native.eventfd();
    send([3, 0, 7], [fd]);
    native.close(fd);
    expect(read()).toBeNull();
    reader.close();
    expect(openFds()).toBe(fdsBefore + 2);
  });

  it.each([
    ['a header that the framing does not accept', [255, 0], 'framing', 'a bad header'],
    ['first bytes of another protocol', [9], 'framing', 'another protocol'],
  ])('ends at %s', (_, bytes, kind, message) => {
    send(bytes);
    expect(end()).toMatchObject({ kind, message });
  });

  it.each([
    ['between messages', [], 'it disconnected'],
    ['within a message', [3], 'it disconnected in the middle of a message'],
  ])('ends when the other side closes %s', (_, bytes, message) => {
    if (bytes.length > 0) send(bytes);
    native.close(theirs);
    theirs = -1;
    expect(end()).toMatchObject({ kind: 'closed', message });
  });

  it('ends with the error of a system call', () => {
    expect(() => reader.read(-1)).toThrow(StreamEnd);
  });
});
