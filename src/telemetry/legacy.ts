// SPDX-License-Identifier: BSD-3-Clause
// The telemetry protocol before version 2, which collectd's dpdk_telemetry speaks: a client names a socket
// of its own, and the server connects back to it. DPDK has it with its metrics library only.
import { native } from '../native.ts';
import type { Service } from './client.ts';

export const LEGACY_NAME = 'telemetry';
/** Bytes of a reply in DPDK. */
const MAX_REPLY = 100_000;

export interface LegacyPort {
  /** -1 for what is of no port. */
  readonly port: number;
  readonly stats: readonly { readonly name: string; readonly value: number }[];
}

/** Answers of the two commands without parameters. */
export interface LegacyStats {
  ports(): readonly LegacyPort[];
  global(): readonly LegacyPort[];
}

const ACTION = { GET: 0, REGISTER: 1, UNREGISTER: 2 } as const;
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
      if (action !== ACTION.GET || data !== null) return failure(INVALID);
      if (command === 'ports_all_stat_values') return success(stats.ports());
      if (command === 'global_stat_values') return success(stats.global());
      return failure(INVALID);
    },
  };
}

interface Request {
  readonly action?: unknown;
  readonly command?: unknown;
  readonly data?: unknown;
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
    connected(native.unixConnect(path, true));
    return null;
  } catch {
    return failure(INVALID);
  }
}
