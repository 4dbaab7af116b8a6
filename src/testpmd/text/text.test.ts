// SPDX-License-Identifier: BSD-3-Clause
// Golden texts: the output of dpdk-testpmd 22.11 for two net_null ports, and the regular expressions of
// DPDK's test suite (DTS).
import { describe, expect, it } from 'vitest';
import { probePort } from '../../drivers/registry.ts';
import { Mempool } from '../../ethdev/mempool.ts';
import type { Port, PortStats } from '../../ethdev/port.ts';
import { keepHashes } from '../../offload/marks.ts';
import { defaultSettings } from '../settings.ts';
import { rxModes, SoftPorts } from '../soft-port.ts';
import { assignStreams, makeStreams } from '../streams.ts';
import { fwdConfigText, fwdStatsText } from './fwd-text.ts';
import { packetText } from './packet-text.ts';
import {
  deviceInfoText,
  linkLine,
  portInfoText,
  portStatsText,
  portSummaryText,
  portXstatsText,
  rxtxConfigText,
  type SoftInfo,
} from './port-text.ts';

const zero: PortStats = {
  ipackets: 0,
  opackets: 0,
  ibytes: 0,
  obytes: 0,
  imissed: 0,
  ierrors: 0,
  oerrors: 0,
  rxNombuf: 0,
};

function nullPort(id: number): Port {
  const port = probePort(`net_null${id}`);
  port.start();
  const mac = ['3a:05:0a:78:1c:30', '72:dd:b1:2a:fb:aa'][id];
  const shown = { ...port.info, mac };
  return Object.create(port, {
    info: { value: shown },
    id: { value: id },
    config: { value: port.config },
    link: { value: () => ({ up: true, speed: 10_000 }) },
    xstats: { value: () => port.xstats() },
    descriptors: { value: () => 0 },
  }) as Port;
}

const ports = [nullPort(0), nullPort(1)];

describe('show port stats', () => {
  it("has testpmd's widths", () => {
    const before = { stats: zero, time: 0n };
    const stats = { ...zero, ipackets: 24779360, opackets: 24357472, ibytes: 64, imissed: 3 };
    expect(portStatsText(0, { stats, time: 4_000_000_000n }, before)).toBe(`
  ######################## NIC statistics for port 0  ########################
  RX-packets: 24779360   RX-missed: 3          RX-bytes:  64
  RX-errors: 0
  RX-nombuf:  0         
  TX-packets: 24357472   TX-errors: 0          TX-bytes:  0

  Throughput (since last show)
  Rx-pps:      6194840          Rx-bps:          128
  Tx-pps:      6089368          Tx-bps:            0
  ############################################################################`);
  });

  it('shows no rates the first time', () => {
    expect(portStatsText(0, { stats: { ...zero, ipackets: 9 }, time: 5n }, undefined)).toContain(
      '  Rx-pps:            0          Rx-bps:            0\n  Tx-pps:            0          Tx-bps:            0\n',
    );
  });

  it('can be split and parsed by DTS', () => {
    const sample = { stats: { ...zero, ipackets: 12, obytes: 77 }, time: 1n };
    const text = ports.map((port) => portStatsText(port.id, sample, undefined)).join('\n');
    const blocks = text.match(/(^ {2}#*.+#*$[^#]+)^ {2}#*$/gm) ?? [];
    expect(blocks.length).toBe(2);
    expect(/NIC statistics for port (\d+)/.exec(blocks[1] ?? '')?.[1]).toBe('1');
    for (const [field, value] of [
      [/RX-packets:\s+(\d+)/, '12'],
      [/RX-missed:\s+(\d+)/, '0'],
      [/RX-bytes:\s+(\d+)/, '0'],
      [/RX-errors:\s+(\d+)/, '0'],
      [/RX-nombuf:\s+(\d+)/, '0'],
      [/TX-packets:\s+(\d+)/, '0'],
      [/TX-errors:\s+(\d+)/, '0'],
      [/TX-bytes:\s+(\d+)/, '77'],
      [/Rx-pps:\s+(\d+)/, '0'],
      [/Rx-bps:\s+(\d+)/, '0'],
      [/Tx-pps:\s+(\d+)/, '0'],
      [/Tx-bps:\s+(\d+)/, '0'],
    ] as const) {
      expect(field.exec(blocks[0] ?? '')?.[1], String(field)).toBe(value);
    }
  });
});

describe('show port', () => {
  it("summary matches testpmd's", () => {
    expect(portSummaryText(ports, 2, new SoftPorts())).toBe(`Number of available ports: 2
Port MAC Address       Name         Driver         Status   Link
0    3A:05:0A:78:1C:30 net_null0    net_null       up       10 Gbps
1    72:DD:B1:2A:FB:AA net_null1    net_null       up       10 Gbps`);
  });

  it("xstats matches testpmd's", () => {
    expect(portXstatsText(0, ports[0].xstats(), false)).toBe(`###### NIC extended statistics for port 0 
rx_good_packets: 0
tx_good_packets: 0
rx_good_bytes: 0
tx_good_bytes: 0
rx_missed_errors: 0
rx_errors: 0
tx_errors: 0
rx_mbuf_allocation_errors: 0
rx_q0_packets: 0
rx_q0_bytes: 0
rx_q0_errors: 0
tx_q0_packets: 0
tx_q0_bytes: 0`);
    expect(portXstatsText(0, ports[0].xstats(), true)).toBe('###### NIC extended statistics for port 0 ');
  });

  const softInfo = (other: Partial<SoftInfo> = {}): SoftInfo => ({
    mac: ports[0].info.mac,
    promiscuous: true,
    allmulticast: true,
    modes: rxModes(0),
    rxQueues: 1,
    txQueues: 1,
    hashes: false,
    ...other,
  });

  it("info begins like testpmd's", () => {
    const text = portInfoText(ports[0], softInfo());
    expect(
      text.startsWith(`
********************* Infos for port 0  *********************
MAC address: 3A:05:0A:78:1C:30
Device name: net_null0
Driver name: net_null
Firmware-version: not available
Devargs: 
Connect to socket: 0
memory allocation on the socket: 0
Link status: up
Link speed: 10 Gbps
Link duplex: full-duplex
Autoneg status: Off
MTU: 1500
`),
    ).toBe(true);
    expect(portInfoText(ports[0], softInfo({ promiscuous: false }))).toContain(
      '\nPromiscuous mode: disabled\n',
    );
  });

  it.each([
    [/Infos for port (\d+)/, '0'],
    [/Device name:\s+([^\r\n]+)/, 'net_null0'],
    [/Driver name:\s+([^\r\n]+)/, 'net_null'],
    [/Connect to socket:\s+(\d+)/, '0'],
    [/MAC address:\s+([\w:]+)/, '3A:05:0A:78:1C:30'],
    [/Link status:\s+(up|down)/, 'up'],
    [/MTU:\s+(\d+)/, '1500'],
    [/(Promiscuous mode: enabled)/, 'Promiscuous mode: enabled'],
    [/(Allmulticast mode: enabled)/, 'Allmulticast mode: enabled'],
    [/Maximum number of MAC addresses: (\d+)/, '64'],
    [/Minimum size of RX buffer: (\d+)/, '0'],
    [/Maximum configurable length of RX packet: (\d+)/, '4294967295'],
    [/Current number of RX queues: (\d+)/, '1'],
    [/Max possible RX queues: (\d+)/, '16'],
    [/Max possible number of RXDs per queue: (\d+)/, '65535'],
    [/Min possible number of RXDs per queue: (\d+)/, '0'],
    [/RXDs number alignment: (\d+)/, '1'],
    [/Current number of TX queues: (\d+)/, '1'],
    [/Max possible number of TXDs per queue: (\d+)/, '65535'],
    [/Max segment number per packet: (\d+)/, '65535'],
    [/Device error handling mode: (\w+)/, 'none'],
  ])('info is read by DTS: %s', (field, value) => {
    expect(field.exec(portInfoText(ports[0], softInfo()))?.[1]).toBe(value);
  });

  it("describes links in DPDK's words", () => {
    expect(linkLine({ up: true, speed: 10_000 })).toBe('Link up at 10 Gbps FDX Fixed');
    expect(linkLine({ up: true, speed: 2500 })).toBe('Link up at 2.5 Gbps FDX Fixed');
    expect(linkLine({ up: false, speed: 0 })).toBe('Link down');
  });
});

it("show device info matches testpmd's", () => {
  expect(deviceInfoText(ports[0], ports[0].info.mac)).toBe(`
********************* Infos for device net_null0 *********************
Bus name: vdev
Bus information: 
Driver name: net_null
Devargs: 
Connect to socket: 0

\tPort id: 0 
\tMAC address: 3A:05:0A:78:1C:30
\tDevice name: net_null0
\tDevice speed capability: Autonegotiate (all speeds)`);
});

describe('the banner of start', () => {
  const lcores = assignStreams(makeStreams([0, 1], 1, 'paired'), [1]);

  it("matches testpmd's", () => {
    expect(
      fwdConfigText(defaultSettings(), lcores, 2),
    ).toBe(`io packet forwarding - ports=2 - cores=1 - streams=2 - NUMA support enabled, MP allocation mode: native
Logical Core 1 (socket 0) forwards packets on 2 streams:
  RX P=0/Q=0 (socket 0) -> TX P=1/Q=0 (socket 0) peer=02:00:00:00:00:01
  RX P=1/Q=0 (socket 0) -> TX P=0/Q=0 (socket 0) peer=02:00:00:00:00:00
`);
  });

  it('reports retries', () => {
    const text = fwdConfigText({ ...defaultSettings(), mode: 'mac', retry: true }, lcores, 2);
    expect(text).not.toContain('interrupt');
    const modes = ['io', 'txonly'].map((mode) =>
      fwdConfigText({ ...defaultSettings(), mode, rxInterrupt: 'on' }, lcores, 2),
    );
    expect(modes[0]).toContain('\nRX interrupt mode: on\nLogical Core 1');
    expect(modes[1]).toContain('\nRX interrupt mode: on (txonly never waits for packets: it polls)\n');
    expect(text).toContain('mac packet forwarding with retry - ports=2');
    expect(text).toContain('\nTX retry num: 64, delay between TX retries: 1us\nLogical Core 1');
  });

  it('reports queues and rings', () => {
    expect(
      rxtxConfigText({ ...defaultSettings(), mode: 'txonly' }, [ports[0]], 1),
    ).toBe(`  txonly packet forwarding packets/burst=32
  packet len=64 - nb packet segments=1
  nb forwarding cores=1 - nb forwarding ports=1
  port 0: RX queue number: 1 Tx queue number: 1
    Rx offloads=0x0 Tx offloads=0x0
    RX queue: 0
      RX desc=512 - RX free threshold=0
      RX threshold registers: pthresh=0 hthresh=0  wthresh=0
      RX Offloads=0x0
    TX queue: 0
      TX desc=512 - TX free threshold=0
      TX threshold registers: pthresh=0 hthresh=0  wthresh=0
      TX offloads=0x0 - TX RS bit threshold=0`);
  });
});

describe('forward statistics', () => {
  const [stream] = makeStreams([0], 1, 'loop');

  it("match testpmd's", () => {
    const counts = [
      { id: 0, stats: { ...zero, ipackets: 13742648, opackets: 13742640 }, dropped: 0 },
      { id: 1, stats: { ...zero, ipackets: 13742776, opackets: 13742784 }, dropped: 128 },
    ];
    expect(fwdStatsText([], counts, null)).toBe(`
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 13742648       RX-dropped: 0             RX-total: 13742648
  TX-packets: 13742640       TX-dropped: 0             TX-total: 13742640
  ----------------------------------------------------------------------------

  ---------------------- Forward statistics for port 1  ----------------------
  RX-packets: 13742776       RX-dropped: 0             RX-total: 13742776
  TX-packets: 13742784       TX-dropped: 128           TX-total: 13742912
  ----------------------------------------------------------------------------

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 27485424       RX-dropped: 0             RX-total: 27485424
  TX-packets: 27485424       TX-dropped: 128           TX-total: 27485552
  ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++`);
  });

  it('have a block for each stream when there are more streams than ports', () => {
    const streams = [
      { stream, rx: 75703104, tx: 75703200, dropped: 0 },
      { stream: { ...stream, rxQueue: 1, txQueue: 1 }, rx: 1, tx: 1, dropped: 2 },
      { stream: { ...stream, rxQueue: 2, txQueue: 2 }, rx: 0, tx: 0, dropped: 0 },
    ];
    const text = fwdStatsText(streams, [{ id: 0, stats: zero, dropped: 2 }], null);
    expect(
      text.startsWith(`
  ------- Forward Stats for RX Port= 0/Queue= 0 -> TX Port= 0/Queue= 0 -------
  RX-packets: 75703104       TX-packets: 75703200       TX-dropped: 0             

  ------- Forward Stats for RX Port= 0/Queue= 1 -> TX Port= 0/Queue= 1 -------
  RX-packets: 1              TX-packets: 1              TX-dropped: 2             

  ---------------------- Forward`),
    ).toBe(true);
  });

  it('report errors only if there are any, and cycles if they were counted', () => {
    const bad = [{ id: 0, stats: { ...zero, ipackets: 10, rxNombuf: 2 }, dropped: 0 }];
    expect(fwdStatsText([], bad, null)).toContain('\n  RX-errors: 0\n  RX-nombufs: 2             \n');
    const cycles = { mode: 'rxonly', cycles: 1205, tscHz: 2.1e9 };
    expect(fwdStatsText([], bad, cycles)).toContain(
      '\n  CPU cycles/packet=120.50 (busy cycles=1205 / total rxonly packets=10) at 2100 MHz Clock',
    );
  });
});

it('a packet whose hash is kept is printed with it', () => {
  const pool = new Mempool({ count: 4, hugepages: false });
  const pkts = pool.vector(1);
  pool.alloc(pkts, 1, 64);
  const [id = 0] = pkts.ids;
  expect(packetText(pool, id, 'rx', 3)).not.toContain('RSS');
  keepHashes(pool)[id] = 0xcafe;
  const printed = packetText(pool, id, 'rx', 3);
  expect(printed).toContain(' - nb_segs=1 - RSS hash=0xcafe - RSS queue=0x3 - sw ptype: ');
  expect(printed).toContain('  ol_flags: RTE_MBUF_F_RX_RSS_HASH RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN ');
  expect(packetText(pool, id, 'tx', 3)).not.toContain('RSS');
  pool.free(pkts, 0, 1);
  pool.close();
});
