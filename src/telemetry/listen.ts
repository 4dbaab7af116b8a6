// SPDX-License-Identifier: BSD-3-Clause
// Sockets in the folder of a prefix, where clients find a process by its name.
import { join } from 'node:path';
import { failedTo, PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { makeRuntimeFolder, runtimeFolder } from './socket-path.ts';

/** Processes of one prefix. */
const MAX_INSTANCES = 100;
/** Others of the prefix that may end, and take its folder with them, between our looks. */
const TRIES = 100;

/**
 * Listens at `name` in the prefix's folder, or at `name:1`, `name:2`, … : the first that no living process
 * has. Throws a PmdError.
 */
export function listenAs(prefix: string, name: string): { readonly fd: number; readonly path: string } {
  const folder = runtimeFolder(prefix);
  for (let instance = 0; instance < MAX_INSTANCES; instance++) {
    const path = join(folder, instance === 0 ? name : `${name}:${instance}`);
    const fd = listenIn(folder, path);
    if (fd !== null) return { fd, path };
  }
  throw new PmdError(
    'EADDRINUSE',
    `Failed to listen in ${folder}: ${MAX_INSTANCES} processes do; choose another --file-prefix`,
  );
}

/**
 * Null if a living process listens there. Tries again where the last process of the prefix has just removed
 * the folder.
 */
function listenIn(folder: string, path: string): number | null {
  for (let tries = 1; ; tries++) {
    try {
      makeRuntimeFolder(folder);
      return native.unixListen(path, {}, true);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE') return null;
      if (code === 'ENOENT' && tries < TRIES) continue;
      throw error instanceof PmdError ? error : failedTo(`listen on ${path}`, error);
    }
  }
}
