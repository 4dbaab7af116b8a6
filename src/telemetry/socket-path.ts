// SPDX-License-Identifier: BSD-3-Clause
// Where DPDK's clients look for a process: <runtime>/dpdk/<prefix>/dpdk_telemetry.v2, and the same with :1,
// :2 for further processes of the same prefix.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../errors.ts';
import { socketPathFault } from '../socket-path.ts';
import { makeFolder } from '../user-file.ts';

export const DEFAULT_PREFIX = 'rte';
export const SOCKET_NAME = 'dpdk_telemetry.v2';

type Environment = Readonly<Record<string, string | undefined>>;

/** The directory of all processes of `prefix`, by DPDK's rules. */
export function runtimeFolder(
  prefix: string,
  env: Environment = process.env,
  uid = process.getuid?.(),
): string {
  const user = uid === 0 ? '/var/run' : env.XDG_RUNTIME_DIR || '/tmp';
  return join(env.RUNTIME_DIRECTORY || user, 'dpdk', prefix);
}

/** Why `prefix` cannot be the name of a folder; null if it can. */
export function prefixFault(prefix: string): string | null {
  if (prefix === '' || prefix === '.' || prefix === '..' || /[/%\0]/.test(prefix))
    return `'${prefix}' is no name of a folder: letters, digits, '-' and '_' are`;
  return socketPathFault(join(runtimeFolder(prefix), `${SOCKET_NAME}:99`));
}

/** Makes the folder where it is missing, for this user alone. Throws a PmdError if it is somebody else's. */
export function makeRuntimeFolder(folder: string): void {
  makeFolder(folder, 0o700);
  const found = lstatSync(folder);
  // In /tmp anybody may have made it first, to answer in our place.
  if (found.isDirectory() && found.uid === process.getuid?.()) return;
  throw new PmdError('EACCES', `Failed to use ${folder}: it is not a folder of this user`);
}
