// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import {
  cyclesPerPacket,
  dpdkVersion,
  forwardsOn,
  latestOf,
  statisticsIn,
  sumOf,
  totalIn,
} from './testpmd-output.ts';

const SHOWN = `
  ######################## NIC statistics for port 0  ########################
  RX-packets: 55516448   RX-missed: 0          RX-bytes:  0
  RX-errors: 4
  RX-nombuf:  0         
  TX-packets: 55201024   TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:     20020691          Rx-bps:            0
  Tx-pps:     20020659          Tx-bps:            0
  ############################################################################
`;
const END = `
  ------- Forward Stats for RX Port= 0/Queue= 0 -> TX Port= 0/Queue= 0 -------
  RX-packets: 7              TX-packets: 7              TX-dropped: 0             

  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 11             RX-dropped: 0             RX-total: 11
  TX-packets: 10             TX-dropped: 1             TX-total: 11
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 22             RX-dropped: 0             RX-total: 22
  TX-packets: 20             TX-dropped: 2             TX-total: 22
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++
`;

describe('statistics', () => {
  it('are parsed from "show port stats", with rates', () => {
    expect(statisticsIn(`testpmd> show port stats 0\n${SHOWN}testpmd> `)).toEqual([
      {
        kind: 'port',
        port: 0,
        rxPackets: 55516448,
        txPackets: 55201024,
        rxErrors: 4,
        txDropped: 0,
        rxPps: 20020691,
        txPps: 20020659,
      },
    ]);
  });
  it('are parsed from the summary, per port and for all ports', () => {
    expect(statisticsIn(END)).toMatchObject([
      { kind: 'forward', port: 0, rxPackets: 11, txPackets: 10, txDropped: 1 },
      { kind: 'total', port: undefined, rxPackets: 22, txPackets: 20, txDropped: 2 },
    ]);
    expect(totalIn(END)?.rxPackets).toBe(22);
    expect(totalIn(SHOWN)).toBeUndefined();
  });
  it('of a port are the latest ones', () => {
    const both = SHOWN + SHOWN.replace('port 0', 'port 1').replace('55516448', '5');
    expect([0, 1, 2].map((port) => latestOf(both, port)?.rxPackets)).toEqual([55516448, 5, undefined]);
    expect(latestOf(both + END, 0)?.rxPackets).toBe(11);
  });
  it('are not available before their block is complete: a number may be cut short', () => {
    const lastBorder = SHOWN.lastIndexOf('  ###');
    for (const end of [SHOWN.indexOf('20020691') + 3, lastBorder, lastBorder + 5])
      expect(statisticsIn(SHOWN.slice(0, end))).toEqual([]);
    expect(statisticsIn('testpmd> ')).toEqual([]);
  });
  it('of several ports add up', () => {
    expect(sumOf(statisticsIn(SHOWN + SHOWN.replace('20020691', '9')))).toEqual({
      rxPps: 20020700,
      txPps: 40041318,
    });
  });
});

it('forwarding has started when testpmd reports it for all ports', () => {
  expect('io packet forwarding - ports=2 - cores=1').toMatch(forwardsOn(2));
  expect('io packet forwarding - ports=12 - cores=1').not.toMatch(forwardsOn(1));
});

describe('cycles per packet', () => {
  it('are parsed from the output of either testpmd', () => {
    expect(
      cyclesPerPacket('  CPU cycles/packet=135.87 (total cycles=1 / total io packets=7) at 2600 MHz Clock'),
    ).toBe(135.87);
    expect(cyclesPerPacket('  CPU cycles/packet=296 (busy cycles=5 / total macswap packets=2)')).toBe(296);
  });
  it('are unknown when no packet moved', () => expect(cyclesPerPacket('Done.')).toBeUndefined());
});

it('DPDK’s version is parsed from the output of -v', () => {
  expect(dpdkVersion("EAL: RTE Version: 'DPDK 22.11.7'\n")).toBe('22.11.7');
  expect(dpdkVersion('')).toBeUndefined();
});
