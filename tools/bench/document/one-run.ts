// SPDX-License-Identifier: BSD-3-Clause
// One run at a time writes to a folder, and a new one keeps the figures of the one before it.
import { lstatSync, renameSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { failedTo, PmdError } from '../../../src/errors.ts';
import { readRun } from './run-file.ts';

/**
 * Holds `folder` until this process ends, however it ends: an abstract socket goes with it. Throws a PmdError
 * if another process holds it.
 */
export async function holdFolder(folder: string): Promise<void> {
  const { dev, ino } = statSync(folder);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new PmdError(
              'VPCI_BENCH',
              `another run writes to ${folder}: wait until it ends, or name another folder`,
            )
          : failedTo(`lock ${folder}`, error),
      ),
    );
    server.listen(`\0vhost-pci-bench-report-${dev}-${ino}`, resolve);
  });
  server.unref();
}

/** Renames the figures of an earlier run, if there are any; the new name. */
export function setAside(folder: string): string | undefined {
  const path = join(folder, 'report.json');
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined || status.isDirectory() || isEmptyRun(path)) return undefined;
  const before = freeName(folder);
  try {
    renameSync(path, before);
  } catch (error) {
    throw failedTo(`keep ${path}`, error);
  }
  return before;
}

/** Whether it is the file of a run that has measured nothing; what cannot be read may be worth keeping. */
function isEmptyRun(path: string): boolean {
  try {
    return readRun(path).steps.every(({ cases }) => cases.length === 0);
  } catch {
    return false;
  }
}

/** report-before.json, or report-before-2.json where that is taken, and so on. */
function freeName(folder: string): string {
  for (let at = 1; ; at++) {
    const path = join(folder, `report-before${at === 1 ? '' : `-${at}`}.json`);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return path;
  }
}
