// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { UDP_FRAME_HEADERS, udpFrameHeaders } from '../../src/packet/frames.ts';
import { compileRules, passes } from './rules.ts';

const IP = 14;
const MACS = { sourceMac: '02:00:00:00:00:01', destinationMac: '02:00:00:00:00:02' };

/** "udp 10.0.0.1:5000 192.168.0.2:53" */
function decide(rules: string, packet: string): boolean {
  const [protocol = '', ...ends] = packet.split(' ');
  const [[sourceIp = '', from = ''], [destinationIp = '', to = '']] = ends.map((end) => end.split(':')) as [
    string[],
    string[],
  ];
  const flow = { ...MACS, sourceIp, destinationIp, sourcePort: Number(from), destinationPort: Number(to) };
  const frame = udpFrameHeaders(flow, UDP_FRAME_HEADERS);
  frame[IP + 9] = { icmp: 1, tcp: 6, udp: 17 }[protocol] ?? 0;
  return passes(compileRules(rules), frame, IP, protocol === 'icmp' ? -1 : IP + 20);
}

const DNS = 'udp 10.0.0.1:5000 192.168.0.2:53';
const WEB = 'tcp 203.0.113.9:50000 198.18.0.1:443';
const PING = 'icmp 10.0.0.1: 10.0.0.2:';

describe('rules', () => {
  it.each([
    ['', DNS, false],
    ['pass any any any', DNS, true],
    ['pass udp any any', DNS, true],
    ['pass udp any any', WEB, false],
    ['pass tcp any any', WEB, true],
    ['pass icmp any any', PING, true],
    ['pass udp any any:53', DNS, true],
    ['pass udp any any:54', DNS, false],
    ['pass udp any:53 any', DNS, false],
    ['pass udp any any:1-52', DNS, false],
    ['pass udp any any:1-53', DNS, true],
    ['pass udp any any:53-99', DNS, true],
    ['pass udp 10.0.0.0/8 any', DNS, true],
    ['pass udp 11.0.0.0/8 any', DNS, false],
    ['pass udp 10.0.0.1 192.168.0.2', DNS, true],
    ['pass udp 10.0.0.1 192.168.0.3', DNS, false],
    ['pass udp 10.0.0.1/31 192.168.0.3/31:53', DNS, true],
    ['pass tcp 128.0.0.0/1 198.18.0.0/15:443', WEB, true],
    ['pass tcp 0.0.0.0/1 any', WEB, false],
    ['pass any 0.0.0.0/0 any', WEB, true],
    ['drop udp any any:53\npass any any any', DNS, false],
    ['pass any any any\ndrop udp any any:53', DNS, true],
    ['# a comment\n\n  pass udp any any:53   # the name server\n', DNS, true],
    ['pass any any any:0-65535', PING, false],
    ['drop any any any:53\npass any any any', PING, true],
  ])('%j decide for %s: %s', (rules, packet, passed) => {
    expect(decide(rules, packet)).toBe(passed);
  });

  it.each([
    ['allow any any any', "'allow' is neither pass nor drop"],
    ['pass sctp any any', "'sctp' is none of any, icmp, tcp, udp"],
    ['pass udp any any twice', "'twice' is one word too many"],
    ['pass udp any', "'' is no address with ports"],
    // Regression: a name that every object has was a protocol.
    ['pass constructor any any', "'constructor' is none of any, icmp, tcp, udp"],
    ['pass udp any 10.0.0', "not '10.0.0'"],
    ['pass udp any 10.0.0.0/33', "'10.0.0.0/33' is no address with ports"],
    ['pass udp any any:70000', "'any:70000' is no address with ports"],
    ['pass udp any any:9-1', "'any:9-1' is no address with ports"],
    ['pass udp any any:x', "'any:x' is no address with ports"],
  ])('%j is an error that names the line and the word', (line, says) => {
    expect(() => compileRules(`# first\n${line}`)).toThrow(`line 2: `);
    expect(() => compileRules(`# first\n${line}`)).toThrow(says);
  });
});
