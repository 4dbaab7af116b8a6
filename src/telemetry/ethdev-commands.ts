// SPDX-License-Identifier: BSD-3-Clause
// /ethdev/*: the open ports, in the shapes of DPDK's rte_ethdev_telemetry.c. Commands that a port cannot
// fill (FEC, DCB, traffic management, registers) are left out, and a client reads null, as from a PMD
// without them.
import { ports } from '../drivers/registry.ts';
import type { Port, PortLink } from '../ethdev/port.ts';
import type { Json, JsonObject, TelemetryCommand } from './commands.ts';
import { txOffloadNames } from './offload-names.ts';
import { keyed, leadingNumber } from './parameters.ts';
import type { PortView, QueueView, VlanView } from './port-view.ts';

/** What only the application knows. */
export interface EthdevHost {
  view(port: Port): PortView;
  /** Bytes of data that an mbuf holds. */
  readonly mbufSize: number;
  /** Name of the pool of a receive queue. */
  poolName(port: Port, queue: number): string;
}

/** Numbers of rte_eth_dev_state and of queue states. */
const ATTACHED = 1;
/** RTE_ETHDEV_QUEUE_STAT_CNTRS. */
const QUEUE_STATS = 16;

/** Answers for the port that `params` begins with, if there is one. */
function portCommand(
  name: string,
  help: string,
  answer: (port: Port, rest: string) => Json | undefined,
): TelemetryCommand {
  return {
    name,
    help,
    answer: (params) => {
      const id = leadingNumber(params);
      const port = id && ports().find((one) => one.id === id.value);
      return port && answer(port, id.rest);
    },
  };
}

/** The same for a queue, which need not be named where the port has one only. */
function queueCommand(
  name: string,
  help: string,
  queues: (port: Port) => readonly QueueView[],
  answer: (port: Port, queue: number, view: QueueView) => Json,
): TelemetryCommand {
  return portCommand(name, help, (port, rest) => {
    const all = queues(port);
    const queue = all.length === 1 && rest === '' ? 0 : leadingNumber(rest.replace(/^,+/, ''))?.value;
    const view = all[queue ?? -1];
    return queue === undefined || !view ? undefined : answer(port, queue, view);
  });
}

export function ethdevCommands(host: EthdevHost): TelemetryCommand[] {
  return [
    {
      name: '/ethdev/list',
      help: 'Returns list of available ethdev ports. Takes no parameters',
      answer: () => ports().map((port) => port.id),
    },
    portCommand('/ethdev/stats', 'Returns the common stats for a port. Parameters: int port_id', stats),
    portCommand(
      '/ethdev/xstats',
      'Returns the extended stats for a port. Parameters: int port_id,hide_zero=true|false(Optional for indicates hide zero xstats)',
      (port, rest) => xstats(host.view(port).xstats, rest),
    ),
    portCommand(
      '/ethdev/dump_priv',
      'Returns dump private information for a port. Parameters: int port_id',
      privateText,
    ),
    portCommand(
      '/ethdev/link_status',
      'Returns the link status for a port. Parameters: int port_id',
      (port) => linkStatus(port.link()),
    ),
    portCommand('/ethdev/info', 'Returns the device info for a port. Parameters: int port_id', (port) =>
      info(port, host),
    ),
    portCommand(
      '/ethdev/macs',
      'Returns the MAC addresses for a port. Parameters: int port_id',
      (port) => host.view(port).macs,
    ),
    portCommand('/ethdev/rss_info', 'Returns RSS info for a port. Parameters: int port_id', (port) =>
      rssInfo(host.view(port)),
    ),
    portCommand('/ethdev/vlan', 'Returns VLAN info for a port. Parameters: int port_id', (port) =>
      vlanInfo(host.view(port).vlan),
    ),
    queueCommand(
      '/ethdev/rx_queue',
      'Rx queue info. Parameters: int port_id,int queue_id',
      (port) => host.view(port).rxQueues,
      (port, queue, view) => rxQueue(port, queue, view, host),
    ),
    queueCommand(
      '/ethdev/tx_queue',
      'Tx queue info. Parameters: int port_id,int queue_id',
      (port) => host.view(port).txQueues,
      txQueue,
    ),
  ];
}

function stats(port: Port): JsonObject {
  const { rxNombuf, ...counts } = port.stats();
  const all = port.xstats();
  return {
    ipackets: counts.ipackets,
    opackets: counts.opackets,
    ibytes: counts.ibytes,
    obytes: counts.obytes,
    imissed: counts.imissed,
    ierrors: counts.ierrors,
    oerrors: counts.oerrors,
    rx_nombuf: rxNombuf,
    q_ipackets: byQueue(all, 'rx', 'packets'),
    q_opackets: byQueue(all, 'tx', 'packets'),
    q_ibytes: byQueue(all, 'rx', 'bytes'),
    q_obytes: byQueue(all, 'tx', 'bytes'),
    q_errors: byQueue(all, 'rx', 'errors'),
  };
}

/** Drivers name a queue's counters as their DPDK counterparts do: with "good" or without. */
function byQueue(all: ReadonlyMap<string, number>, role: string, what: string): number[] {
  const of = (queue: number) =>
    all.get(`${role}_q${queue}_good_${what}`) ?? all.get(`${role}_q${queue}_${what}`) ?? 0;
  return Array.from({ length: QUEUE_STATS }, (_, queue) => of(queue));
}

function xstats(all: ReadonlyMap<string, number>, rest: string): JsonObject {
  const hideZero = keyed(rest, 'hide_zero') === 'true';
  return Object.fromEntries([...all].filter(([, value]) => value !== 0 || !hideZero));
}

function privateText({ info }: Port): string | undefined {
  const lines = Object.entries(info.details).map(([name, value]) => `${name}: ${value}\n`);
  return lines.length === 0 ? undefined : lines.join('');
}

function linkStatus({ up, speed }: PortLink): JsonObject {
  return up ? { status: 'UP', speed, duplex: 'full-duplex' } : { status: 'DOWN' };
}

function info(port: Port, { mbufSize, view }: EthdevHost): JsonObject {
  const { info: device, started } = port;
  const { macs, promiscuous, allmulticast, rxQueues, txQueues, rxOffloads, rss } = view(port);
  const states = (queues: readonly QueueView[]) => queues.map((queue) => Number(queue.started));
  return {
    name: device.name,
    state: ATTACHED,
    nb_rx_queues: rxQueues.length,
    nb_tx_queues: txQueues.length,
    port_id: port.id,
    mtu: device.mtu,
    rx_mbuf_size_min: mbufSize,
    mac_addr: macs[0] ?? '',
    promiscuous: Number(promiscuous),
    scattered_rx: Number(device.maxRxPktLen > mbufSize),
    all_multicast: Number(allmulticast),
    dev_started: Number(started),
    lro: 0,
    dev_configured: 1,
    rxq_state: states(rxQueues),
    txq_state: states(txQueues),
    numa_node: 0,
    dev_flags: '0x0',
    rx_offloads: rxOffloads,
    tx_offloads: txOffloadNames(port.txOffloads),
    ethdev_rss_hf: hex(rss.types),
  };
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function rssInfo({ rss: { types, key } }: PortView): JsonObject {
  return {
    rss_hf: hex(types),
    rss_key_len: key.length,
    rss_key: Buffer.from(key).toString('hex'),
  };
}

/** The VLANs of a filter are in blocks of 64. */
function vlanInfo({ pvid, strip, filter, extend, qinqStrip, ids }: VlanView): JsonObject {
  const passing = Array.from({ length: ids.length * 8 }, (_, id) => id).filter(
    (id) => ((ids[id >>> 3] ?? 0) & (1 << (id & 7))) !== 0,
  );
  const blocks = [...new Set(passing.map((id) => id >>> 6))];
  const onOff = (on: boolean) => (on ? 'on' : 'off');
  return {
    pvid: pvid ?? 0,
    hw_vlan_reject_tagged: 0,
    hw_vlan_reject_untagged: 0,
    hw_vlan_insert_pvid: Number(pvid !== null),
    VLAN_STRIP: onOff(strip),
    VLAN_EXTEND: onOff(extend),
    QINQ_STRIP: onOff(qinqStrip),
    VLAN_FILTER: onOff(filter),
    vlan_num: passing.length,
    vlan_ids: Object.fromEntries(
      blocks.map((block) => [
        `vlan_${block * 64}_to_${block * 64 + 63}`,
        passing.filter((id) => id >>> 6 === block),
      ]),
    ),
  };
}

function queueInfo(port: Port, role: 'rx' | 'tx', { started, descriptors }: QueueView): JsonObject {
  return {
    offloads: role === 'rx' ? [] : txOffloadNames(port.txOffloads),
    queue_state: Number(started),
    nb_desc: descriptors,
  };
}

const THRESHOLDS = { host_threshold: 0, prefetch_threshold: 0, writeback_threshold: 0 } as const;

function rxQueue(port: Port, queue: number, view: QueueView, host: EthdevHost): JsonObject {
  return {
    mempool_name: host.poolName(port, queue),
    socket_id: 0,
    ...THRESHOLDS,
    free_threshold: 0,
    rx_drop_en: 'off',
    deferred_start: view.deferred ? 'on' : 'off',
    rx_nseg: 0,
    share_group: 0,
    share_qid: 0,
    rx_nmempool: 0,
    scattered_rx: port.info.maxRxPktLen > host.mbufSize ? 'on' : 'off',
    rx_buf_size: host.mbufSize,
    avail_thresh: 0,
    ...queueInfo(port, 'rx', view),
  };
}

function txQueue(port: Port, _queue: number, view: QueueView): JsonObject {
  return {
    ...THRESHOLDS,
    rs_threshold: 0,
    free_threshold: 0,
    deferred_start: view.deferred ? 'on' : 'off',
    ...queueInfo(port, 'tx', view),
  };
}
