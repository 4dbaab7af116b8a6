// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { cyclesPerPacket, dpdkVersion, ratesOf, ratesOfPorts } from './testpmd-output.ts';

const BLOCK = `
  ######################## NIC statistics for port 0  ########################
  RX-packets: 55516448   RX-missed: 0          RX-bytes:  0
  RX-errors: 0
  RX-nombuf:  0         
  TX-packets: 55201024   TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:     20020691          Rx-bps:            0
  Tx-pps:     20020659          Tx-bps:            0
  ############################################################################
`;

describe('rates', () => {
  it('are those of the statistics block', () => {
    const match = ratesOfPorts(1).exec(BLOCK) as RegExpExecArray;
    expect(ratesOf(match)).toEqual({ rxPps: 20020691, txPps: 20020659 });
  });
  it('of two ports are added up, when both are there', () => {
    expect(ratesOfPorts(2).exec(BLOCK)).toBeNull();
    const match = ratesOfPorts(2).exec(BLOCK + BLOCK.replace('20020691', '9')) as RegExpExecArray;
    expect(ratesOf(match)).toEqual({ rxPps: 20020700, txPps: 40041318 });
  });
  it('are not there before both lines are', () => {
    expect(ratesOfPorts(1).exec(BLOCK.slice(0, BLOCK.indexOf('Tx-pps')))).toBeNull();
  });
  it('are not there in another program’s output', () => expect(ratesOfPorts(1).exec('testpmd> ')).toBeNull());
});

describe('cycles for a packet', () => {
  it('are read in either testpmd’s words', () => {
    expect(
      cyclesPerPacket('  CPU cycles/packet=135.87 (total cycles=1 / total io packets=7) at 2600 MHz Clock'),
    ).toBe(135.87);
    expect(cyclesPerPacket('  CPU cycles/packet=296 (busy cycles=5 / total macswap packets=2)')).toBe(296);
  });
  it('are unknown when no packet moved', () => expect(cyclesPerPacket('Done.')).toBeUndefined());
});

it('DPDK’s version is read from what -v prints', () => {
  expect(dpdkVersion("EAL: RTE Version: 'DPDK 22.11.7'\n")).toBe('22.11.7');
  expect(dpdkVersion('')).toBeUndefined();
});
