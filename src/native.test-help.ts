// SPDX-License-Identifier: BSD-3-Clause
// Helpers of the addon's tests: workers that load the addon, waiting, error codes, resource counts.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';

export const ADDON = process.env.VHOST_PCI_ADDON ?? resolve('build/Release/vhost_pci.node');

/** A worker that runs plain JavaScript, with `native`, `parentPort` and `workerData` in scope. */
export function addonWorker(code: string, data: Record<string, unknown> = {}): Worker {
  const head = `const { parentPort, workerData } = require('node:worker_threads');
    const native = require(workerData.addon);`;
  return new Worker(`${head}\n${code}`, { eval: true, workerData: { ...data, addon: ADDON } });
}

/** The worker's next message; rejects if the worker fails first. */
export async function nextMessage(worker: Worker): Promise<unknown> {
  return (await once(worker, 'message'))[0];
}

/** `code` of the error that `action` throws; undefined when it throws none. */
export function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
  return undefined;
}

/** Polls until `condition` holds; fails after a minute. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`still not so after a minute: ${condition}`);
    await new Promise((done) => setTimeout(done, 2));
  }
}

/** Open descriptors of the process. */
export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Mapped areas of the process whose name contains `part`. */
export function mappedAreas(part: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(part)).length;
}
