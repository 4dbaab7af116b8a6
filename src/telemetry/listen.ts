// SPDX-License-Identifier: BSD-3-Clause
// Sockets in the folder of a prefix, where clients find a process by its name.
import { join } from 'node:path';
import { failedTo, PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { makeRuntimeFolder, runtimeFolder } from './socket-path.ts';

/** Processes of one prefix. */
const MAX_INSTANCES = 100;

/**
 * Listens at `name` in the prefix's folder, or at `name:1`, `name:2`, … : the first that no living process
 * has. Throws a PmdError.
 */
export function listenAs(prefix: string, name: string): { readonly fd: number; readonly path: string } {
  const folder = runtimeFolder(prefix);
  makeRuntimeFolder(folder);
  for (let instance = 0; instance < MAX_INSTANCES; instance++) {
    const path = join(folder, instance === 0 ? name : `${name}:${instance}`);
    try {
      return { fd: native.unixListen(path, {}, true), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw failedTo(`listen on ${path}`, error);
    }
  }
  throw new PmdError(
    'EADDRINUSE',
    `Failed to listen in ${folder}: ${MAX_INSTANCES} processes do; choose another --file-prefix`,
  );
}
