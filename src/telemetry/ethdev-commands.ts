// SPDX-License-Identifier: BSD-3-Clause
// /ethdev/*: the open ports, in the shapes of DPDK's rte_ethdev_telemetry.c. Commands that a port cannot
// fill (FEC, DCB, traffic management, registers) are left out, and a client reads null, as from a PMD
// without them.
import { ports } from '../drivers/registry.ts';
import type { Port } from '../ethdev/port.ts';
import type { Json, JsonObject, TelemetryCommand } from './commands.ts';
import { txOffloadNames } from './offload-names.ts';
import { keyed, leadingNumber } from './parameters.ts';

/** What only the application knows of a port. */
export interface EthdevHost {
  /** Promiscuous mode as the application has set it. */
  promiscuous(port: Port): boolean;
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
  role: 'rx' | 'tx',
  answer: (port: Port, queue: number) => Json,
): TelemetryCommand {
  return portCommand(name, help, (port, rest) => {
    const count = role === 'rx' ? port.config.rxQueues : port.config.txQueues;
    const queue = count === 1 && rest === '' ? 0 : leadingNumber(rest.replace(/^,+/, ''))?.value;
    return queue === undefined || queue >= count ? undefined : answer(port, queue);
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
      xstats,
    ),
    portCommand(
      '/ethdev/dump_priv',
      'Returns dump private information for a port. Parameters: int port_id',
      privateText,
    ),
    portCommand(
      '/ethdev/link_status',
      'Returns the link status for a port. Parameters: int port_id',
      linkStatus,
    ),
    portCommand('/ethdev/info', 'Returns the device info for a port. Parameters: int port_id', (port) =>
      info(port, host),
    ),
    portCommand(
      '/ethdev/macs',
      'Returns the MAC addresses for a port. Parameters: int port_id',
      ({ info }) => [info.mac.toUpperCase()],
    ),
    queueCommand(
      '/ethdev/rx_queue',
      'Rx queue info. Parameters: int port_id,int queue_id',
      'rx',
      (port, queue) => rxQueue(port, queue, host),
    ),
    queueCommand('/ethdev/tx_queue', 'Tx queue info. Parameters: int port_id,int queue_id', 'tx', txQueue),
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

function xstats(port: Port, rest: string): JsonObject {
  const hideZero = keyed(rest, 'hide_zero') === 'true';
  return Object.fromEntries([...port.xstats()].filter(([, value]) => value !== 0 || !hideZero));
}

function privateText({ info }: Port): string | undefined {
  const lines = Object.entries(info.details).map(([name, value]) => `${name}: ${value}\n`);
  return lines.length === 0 ? undefined : lines.join('');
}

function linkStatus(port: Port): JsonObject {
  const { up, speed } = port.link();
  return up ? { status: 'UP', speed, duplex: 'full-duplex' } : { status: 'DOWN' };
}

function info(port: Port, { mbufSize, promiscuous }: EthdevHost): JsonObject {
  const { info: device, config, started } = port;
  const states = (count: number) => new Array<number>(count).fill(Number(started));
  return {
    name: device.name,
    state: ATTACHED,
    nb_rx_queues: config.rxQueues,
    nb_tx_queues: config.txQueues,
    port_id: port.id,
    mtu: device.mtu,
    rx_mbuf_size_min: mbufSize,
    mac_addr: device.mac.toUpperCase(),
    promiscuous: Number(promiscuous(port)),
    scattered_rx: Number(device.maxRxPktLen > mbufSize),
    all_multicast: 1,
    dev_started: Number(started),
    lro: 0,
    dev_configured: 1,
    rxq_state: states(config.rxQueues),
    txq_state: states(config.txQueues),
    numa_node: 0,
    dev_flags: '0x0',
    rx_offloads: [],
    tx_offloads: txOffloadNames(port.txOffloads),
    ethdev_rss_hf: '0x0',
  };
}

function queueInfo(port: Port, role: 'rx' | 'tx', queue: number): JsonObject {
  return {
    offloads: role === 'rx' ? [] : txOffloadNames(port.txOffloads),
    queue_state: Number(port.started),
    nb_desc: port.descriptors(role, queue),
  };
}

const THRESHOLDS = { host_threshold: 0, prefetch_threshold: 0, writeback_threshold: 0 } as const;

function rxQueue(port: Port, queue: number, host: EthdevHost): JsonObject {
  return {
    mempool_name: host.poolName(port, queue),
    socket_id: 0,
    ...THRESHOLDS,
    free_threshold: 0,
    rx_drop_en: 'off',
    deferred_start: 'off',
    rx_nseg: 0,
    share_group: 0,
    share_qid: 0,
    rx_nmempool: 0,
    scattered_rx: port.info.maxRxPktLen > host.mbufSize ? 'on' : 'off',
    rx_buf_size: host.mbufSize,
    avail_thresh: 0,
    ...queueInfo(port, 'rx', queue),
  };
}

function txQueue(port: Port, queue: number): JsonObject {
  return {
    ...THRESHOLDS,
    rs_threshold: 0,
    free_threshold: 0,
    deferred_start: 'off',
    ...queueInfo(port, 'tx', queue),
  };
}
