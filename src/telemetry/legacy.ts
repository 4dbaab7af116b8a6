// SPDX-License-Identifier: BSD-3-Clause
// The telemetry protocol before version 2, which collectd's dpdk_telemetry speaks: a client names a socket
// of its own, and the server connects back to it. DPDK has it with its metrics library only.
import { native } from '../native.ts';
import type { Service } from './client.ts';
import { leadsBack } from './socket-server.ts';

export const LEGACY_NAME = 'telemetry';
/** Bytes of a reply in DPDK. */
const MAX_REPLY = 100_000;

export interface LegacyPort {
  readonly port: number;
  readonly stats: readonly { readonly name: string; readonly value: number }[];
}

/** What the commands answer from. */
export interface LegacyStats {
  /** Every statistic of each port. */
  ports(): readonly LegacyPort[];
  /** Those of the process. */
  global(): LegacyPort['stats'];
}

const ACTION = { GET: 0, REGISTER: 1, UNREGISTER: 2 } as const;
/** The port number of what is of no port. */
const GLOBAL = -1;
const UNKNOWN = 'Unknown';
const INVALID = 'Invalid Argument 404';

const failure = (cause: string): string => `{"status_code": "Status Error: ${cause}", "data": null}`;

function success(data: readonly LegacyPort[]): string {
  const text = `{"status_code": "Status OK: 200", "data": ${JSON.stringify(data)}}`;
  return Buffer.byteLength(text) <= MAX_REPLY ? text : failure('Memory Allocation Error');
}

/** `connected` owns the connection that a client has asked for. */
export function legacyService(stats: LegacyStats, connected: (fd: number) => void): Service {
  return {
    greeting: null,
    answer: (request) => {
      const message = parsed(request);
      if (message === null) return failure(UNKNOWN);
      const { action, command, data } = message;
      if (command === 'clients' && action === ACTION.UNREGISTER) return null;
      if (command === 'clients' && action === ACTION.REGISTER) return register(data, connected);
      if (action !== ACTION.GET) return failure(INVALID);
      if (command === 'ports_stats_values_by_name') return byName(stats.ports(), data);
      if (data !== null) return failure(INVALID);
      if (command === 'ports_all_stat_values') return all(stats.ports());
      if (command === 'global_stat_values') return global(stats.global());
      return failure(INVALID);
    },
  };
}

const all = (ports: readonly LegacyPort[]): string =>
  ports.length === 0 ? failure(INVALID) : success(ports);

const global = (stats: LegacyPort['stats']): string =>
  stats.length === 0 ? failure(UNKNOWN) : success([{ port: GLOBAL, stats }]);

/** Statistics that the client names, of ports that it names; if it names no statistics, all. */
function byName(ports: readonly LegacyPort[], data: unknown): string {
  const { ports: ids, stats: names } = (data ?? {}) as { ports?: unknown; stats?: unknown };
  if (!Array.isArray(ids) || !Array.isArray(names) || ids.length === 0) return failure(INVALID);
  const known = new Set(ports.flatMap(({ stats }) => stats.map(({ name }) => name)));
  const wanted = ids.map((id) => ports.find(({ port }) => port === id));
  if (wanted.includes(undefined) || names.some((name) => !known.has(name))) return failure(INVALID);
  const isWanted = ({ name }: { name: string }) => names.length === 0 || names.includes(name);
  return success(
    wanted.flatMap((one) => (one ? [{ port: one.port, stats: one.stats.filter(isWanted) }] : [])),
  );
}

interface Request {
  readonly action?: unknown;
  readonly command?: unknown;
  readonly data?: unknown;
}

/**
 * For connections of ours: whoever makes no requests is no client. If it is a server, of this process or of
 * another, each would answer the other's answers for ever.
 */
export function clientsOnly(service: Service): Service {
  return {
    ...service,
    answer: (request, from) => {
      if (typeof parsed(request)?.action === 'number') return service.answer(request, from);
      from.close();
      return null;
    },
  };
}

function parsed(text: string): Request | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whoever reaches this socket may make the process connect to a path: its folder is this user's alone. */
function register(data: unknown, connected: (fd: number) => void): string | null {
  const path = (data as { client_path?: unknown } | null | undefined)?.client_path;
  if (typeof path !== 'string' || path === '' || path.includes('\0')) return failure(INVALID);
  try {
    const fd = native.unixConnect(path, true);
    if (leadsBack(fd)) {
      native.close(fd);
      return failure(INVALID);
    }
    connected(fd);
    return null;
  } catch {
    return failure(INVALID);
  }
}
