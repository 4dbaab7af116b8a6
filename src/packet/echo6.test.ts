// SPDX-License-Identifier: BSD-3-Clause
import { test as property } from '@fast-check/vitest';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerEcho6, answerSolicitation, icmp6Length, isSolicitation } from './echo6.ts';

const MAC = [2, 0, 0, 0, 0, 9];
const ASKER = [2, 0, 0, 0, 0, 1];
const OURS = [0xfd, ...new Array(14).fill(0), 2];
const HIS = [0xfd, ...new Array(14).fill(0), 1];
const ANYBODY = new Array(16).fill(0);
const GROUP = [0xff, 2, ...new Array(9).fill(0), 1, 0xff, 0, 0, 2];
const IP = 14;
const ICMP = 54;

const sum = (bytes: readonly number[]): number => {
  let total = 0;
  for (const [i, byte] of bytes.entries()) total += i % 2 === 0 ? byte << 8 : byte;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
};

/** 0xffff if the checksum is right. */
const checkOf = (frame: readonly number[]): number => {
  const icmp = frame.slice(ICMP, ICMP + ((frame[18] as number) << 8) + (frame[19] as number));
  return sum([...frame.slice(22, ICMP), 0, 0, 0, icmp.length, 0, 0, 0, 58, ...icmp]);
};

function packet(icmp: readonly number[], source = HIS, destination = OURS, hopLimit = 255): number[] {
  const ip = [0x60, 0, 0, 0, 0, icmp.length, 58, hopLimit, ...source, ...destination];
  const frame = [...MAC, ...ASKER, 0x86, 0xdd, ...ip, ...icmp];
  const check = ~checkOf(frame) & 0xffff;
  return frame.with(ICMP + 2, check >>> 8).with(ICMP + 3, check & 0xff);
}

const ADDRESS = [1, 1, ...ASKER];
const solicitation = (options: readonly number[] = ADDRESS) => [
  135,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  ...OURS,
  ...options,
];
const echo = (length = 3) => [128, 0, 0, 0, 0x12, 0x34, 0, 7, ...new Array(length).fill(0xa5)];

function solicit(frame: readonly number[]): number[] | null {
  const bytes = Uint8Array.from(frame);
  const length = icmp6Length(bytes, IP, bytes.length);
  const answered =
    length > 0 && isSolicitation(bytes, IP, length) && answerSolicitation(bytes, 0, IP, length, MAC);
  if (!answered) expect([...bytes]).toEqual([...frame]);
  return answered ? [...bytes] : null;
}

function ping(frame: readonly number[]): number[] | null {
  const bytes = Uint8Array.from(frame);
  const answered = icmp6Length(bytes, IP, bytes.length) > 0 && answerEcho6(bytes, 0, IP, MAC, true);
  if (!answered) expect([...bytes]).toEqual([...frame]);
  return answered ? [...bytes] : null;
}

describe('a neighbour solicitation', () => {
  it.each([
    ['to the group', GROUP, ADDRESS],
    ['with a nonce behind the address', GROUP, [...ADDRESS, 14, 1, 1, 2, 3, 4, 5, 6]],
    ['to this host', OURS, ADDRESS],
  ])('is answered with the address: %s', (_, destination, options) => {
    const reply = solicit(packet(solicitation(options), HIS, destination)) as number[];
    expect(reply.slice(0, 12)).toEqual([...ASKER, ...MAC]);
    expect(reply.slice(18, ICMP)).toEqual([0, 32, 58, 255, ...OURS, ...HIS]);
    const advertisement = [0x60, 0, 0, 0, ...OURS, 2, 1, ...MAC];
    expect([reply[ICMP], ...reply.slice(ICMP + 4, ICMP + 32)]).toEqual([136, ...advertisement]);
    expect(checkOf(reply)).toBe(0xffff);
  });

  it('without room for the address is answered if it asks this host alone', () => {
    const reply = solicit(packet(solicitation([]))) as number[];
    expect([reply[ICMP], reply[19], checkOf(reply)]).toEqual([136, 24, 0xffff]);
    expect(solicit(packet(solicitation([]), HIS, GROUP))).toBeNull();
  });

  it.each([
    ['of a host that tests an address', packet(solicitation(), ANYBODY, GROUP)],
    ['that passed a router', packet(solicitation(), HIS, GROUP, 254)],
    ['with a code', packet(solicitation().with(1, 1))],
    ['that is an advertisement', packet(solicitation().with(0, 136))],
    ['longer than its frame', packet(solicitation()).with(19, 200)],
    ['shorter than its target', packet(solicitation()).with(19, 23)],
    ['of another version', packet(solicitation()).with(14, 0x40)],
  ])('is not answered: %s', (_, frame) => {
    expect(solicit(frame)).toBeNull();
  });
});

describe('an ICMPv6 echo request', () => {
  it.each([0, 3, 56])('is answered, with %i bytes', (length) => {
    const reply = ping(packet(echo(length))) as number[];
    expect(reply.slice(0, 12)).toEqual([...ASKER, ...MAC]);
    expect(reply.slice(22, ICMP)).toEqual([...OURS, ...HIS]);
    expect([reply[ICMP], checkOf(reply)]).toEqual([129, 0xffff]);
    expect(reply.slice(ICMP + 4)).toEqual(echo(length).slice(4));
  });

  it.each([
    ['a reply', packet(echo().with(0, 129))],
    ['another protocol', packet(echo()).with(20, 17)],
    ['a length past the frame', packet(echo()).with(19, 12)],
    ['a length without the header', packet(echo()).with(19, 7)],
  ])('is not %s', (_, frame) => {
    expect(ping(frame)).toBeNull();
  });
});

property.prop([fc.uint8Array({ maxLength: 100 }), fc.nat(90), fc.boolean()])(
  'no byte outside the frame is touched, whatever it holds',
  (noise, at, isPing) => {
    const frame = [...packet(isPing ? echo() : solicitation()).slice(0, at), ...noise];
    const bytes = Uint8Array.from([...frame, ...new Array(64).fill(0xee)]);
    const length = icmp6Length(bytes, IP, frame.length);
    if (length > 0 && isSolicitation(bytes, IP, length)) answerSolicitation(bytes, 0, IP, length, MAC);
    else if (length > 0) answerEcho6(bytes, 0, IP, MAC, true);
    expect(bytes.subarray(frame.length).every((byte) => byte === 0xee)).toBe(true);
  },
);
