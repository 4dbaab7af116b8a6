// SPDX-License-Identifier: BSD-3-Clause
// Checks the options of launch() before a thread is created, so that errors are thrown by the call and not
// reported by a thread that ends.
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { argumentError, requireArray, requireInteger, requireOptions } from '../arguments.ts';
import { PmdError } from '../errors.ts';
import type { Port } from '../ethdev/port.ts';
import { queuesClosed } from '../ethdev/queue-owners.ts';
import { MAX_CPU, parseLcores } from './lcore-list.ts';

const CALL = 'launch()';
const KEYS = ['lcore', 'cpu', 'module', 'ports', 'data', 'stopTimeout'];
/** The longest delay that setTimeout accepts. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** A URL object of any library, Node's `URL` among them. */
export interface ModuleUrl {
  /** "file:///srv/app/worker.js". */
  readonly href: string;
}

/** What {@link launch} takes. */
export interface LaunchOptions {
  /** The lcore's number, 0 to 1023; default: that of `cpu`, or else 0. */
  readonly lcore?: number;
  /** CPU or CPUs to pin to, each 0 to 1023; default: the CPU of the lcore's number. */
  readonly cpu?: number | readonly number[];
  /**
   * Module whose default export runs on the lcore: an absolute path or a file: URL, TypeScript or JavaScript.
   */
  readonly module: string | ModuleUrl;
  /** Ports whose queues the module can open. */
  readonly ports?: readonly Port[];
  /** Anything that postMessage can transfer; becomes the module's `lcore.data`. */
  readonly data?: unknown;
  /**
   * Time in milliseconds for the module to return after stop() before its thread is terminated; default 5000.
   */
  readonly stopTimeout?: number;
}

/** The options with all defaults filled in. */
export interface LaunchPlan {
  readonly lcoreId: number;
  readonly cpus: readonly number[];
  /** A file: URL. */
  readonly module: string;
  readonly ports: readonly Port[];
  readonly stopTimeout: number;
}

/** Throws VPCI_ARGUMENT, VPCI_NO_CPU, VPCI_LCORE_MODULE (no such file) or VPCI_CLOSED (a port is closed). */
export function planLaunch(options: LaunchOptions): LaunchPlan {
  requireOptions(CALL, 'options', options, KEYS);
  const { lcore, cpu = lcore ?? 0, module, ports = [], stopTimeout = 5000 } = options;
  if (lcore !== undefined) requireInteger(CALL, 'lcore', lcore, 0, MAX_CPU);
  requireInteger(CALL, 'stopTimeout', stopTimeout, 0, MAX_TIMEOUT_MS);
  const cpus = checkedCpus(cpu);
  requireArray(CALL, 'ports', ports, 'ports');
  for (const port of ports) checkPort(port);
  return { lcoreId: lcore ?? cpus[0] ?? 0, cpus, module: moduleUrl(module), ports, stopTimeout };
}

function checkedCpus(cpu: number | readonly number[]): readonly number[] {
  const cpus = Array.isArray(cpu) ? (cpu as readonly number[]) : [cpu as number];
  if (cpus.length === 0) throw argumentError(CALL, 'cpu', 'a CPU or an array of at least one', cpu);
  const there = machineCpus();
  for (const one of cpus) {
    requireInteger(CALL, 'cpu', one, 0, MAX_CPU);
    if (there !== null && !there.includes(one))
      throw new PmdError('VPCI_NO_CPU', `Failed to call ${CALL}: cpu ${one}: this machine has no such CPU`);
  }
  return cpus;
}

/** The online CPUs; null if the machine does not report them. */
function machineCpus(): number[] | null {
  try {
    const online = readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
    return parseLcores(`0@(${online})`)[0]?.cpus.slice() ?? null;
  } catch {
    return null;
  }
}

function checkPort(port: Port): void {
  if (typeof port?.rxQueueSpec !== 'function')
    throw argumentError(CALL, 'each of ports', 'a port, of openPort() or probePort()', port);
  if (queuesClosed(port))
    throw new PmdError('VPCI_CLOSED', `Failed to call ${CALL}: port ${port.id} of ports is closed`);
}

function moduleUrl(module: string | ModuleUrl): string {
  const text = typeof module === 'object' ? module?.href : module;
  const url = typeof text === 'string' ? urlOf(text) : null;
  if (url === null || url.protocol !== 'file:')
    throw argumentError(CALL, 'module', 'an absolute path or a file: URL, such as import.meta.url', module);
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch {
    throw argumentError(CALL, 'module', 'the URL of a local file', module);
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  const fault = stat?.isDirectory() ? 'it is a directory' : stat?.isFile() ? null : 'there is no such file';
  if (fault !== null)
    throw new PmdError('VPCI_LCORE_MODULE', `Failed to call ${CALL}: module ${path}: ${fault}`);
  return url.href;
}

function urlOf(module: string): URL | null {
  if (isAbsolute(module)) return pathToFileURL(module);
  return module.startsWith('file:') && URL.canParse(module) ? new URL(module) : null;
}
