// SPDX-License-Identifier: BSD-3-Clause
// /eal/* and /mempool/*: how the process was started, its lcores and its pools, in DPDK's shapes. There are
// no heaps and memory zones here, so those commands are unknown.
import type { Json, JsonObject, TelemetryCommand } from './commands.ts';
import { leadingNumber } from './parameters.ts';

export interface LcoreState {
  readonly id: number;
  readonly cpus: readonly number[];
  /** TSC cycles since the lcore began to forward, and those spent on packets; absent for others. */
  readonly usage?: { readonly total: number; readonly busy: number };
}

export interface PoolState {
  readonly name: string;
  /** mbufs. */
  readonly size: number;
  /** Bytes of an mbuf with its headroom. */
  readonly mbufSize: number;
}

export interface EalHost {
  /** Arguments before and after `--`. */
  readonly params: readonly string[];
  readonly appParams: readonly string[];
  lcores(): readonly LcoreState[];
  pools(): readonly PoolState[];
}

const NO_PARAMETERS = 'Takes no parameters';

export function ealCommands(host: EalHost): TelemetryCommand[] {
  return [
    {
      name: '/eal/params',
      help: `Returns EAL commandline parameters. ${NO_PARAMETERS}`,
      answer: () => host.params,
    },
    {
      name: '/eal/app_params',
      help: `Returns app commandline parameters. ${NO_PARAMETERS}`,
      answer: () => host.appParams,
    },
    {
      name: '/eal/lcore/list',
      help: `List of lcore ids. ${NO_PARAMETERS}`,
      answer: () => host.lcores().map(({ id }) => id),
    },
    {
      name: '/eal/lcore/info',
      help: 'Returns lcore info. Parameters: int lcore_id',
      answer: (params) => lcoreInfo(host, params),
    },
    {
      name: '/eal/lcore/usage',
      help: `Returns lcore cycles usage. ${NO_PARAMETERS}`,
      answer: () => lcoreUsage(host),
    },
    {
      name: '/mempool/list',
      help: `Returns list of available mempool. ${NO_PARAMETERS}`,
      answer: () => host.pools().map(({ name }) => name),
    },
    {
      name: '/mempool/info',
      help: 'Returns mempool info. Parameters: pool_name',
      answer: (params) => poolInfo(host, params),
    },
  ];
}

function ratio({ total, busy }: { total: number; busy: number }): string {
  return `${(total === 0 ? 0 : (busy * 100) / total).toFixed(2)}%`;
}

function lcoreInfo(host: EalHost, params: string | undefined): JsonObject | undefined {
  const id = leadingNumber(params);
  const found = id?.rest === '' ? host.lcores().find((lcore) => lcore.id === id.value) : undefined;
  if (!found) return undefined;
  const { cpus, usage } = found;
  return {
    lcore_id: found.id,
    socket: 0,
    role: 'RTE',
    cpuset: cpus,
    ...(usage && { total_cycles: usage.total, busy_cycles: usage.busy, usage_ratio: ratio(usage) }),
  };
}

function lcoreUsage(host: EalHost): JsonObject {
  const busy = host.lcores().flatMap(({ id, usage }) => (usage ? [{ id, usage }] : []));
  return {
    lcore_ids: busy.map(({ id }) => id),
    total_cycles: busy.map(({ usage }) => usage.total),
    busy_cycles: busy.map(({ usage }) => usage.busy),
    usage_ratio: busy.map(({ usage }) => ratio(usage)),
  };
}

function poolInfo(host: EalHost, params: string | undefined): Json | undefined {
  if (params === undefined) return undefined;
  const pool = host.pools().find(({ name }) => name === params);
  // As DPDK: a name that no pool has is no failure.
  if (!pool) return {};
  return {
    name: pool.name,
    pool_id: host.pools().indexOf(pool),
    flags: 0,
    socket_id: 0,
    size: pool.size,
    cache_size: 0,
    elt_size: pool.mbufSize,
    header_size: 0,
    trailer_size: 0,
    private_data_size: 0,
    ops_index: 0,
    populated_size: pool.size,
  };
}
