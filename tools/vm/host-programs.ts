// SPDX-License-Identifier: BSD-3-Clause
// Programs of the host's root, run in place with that root's loader and libraries: nothing is installed, and
// no chroot is needed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { runToEnd } from './command.ts';

const TOOL_MS = 300_000;

/** The start of a command line that runs a program from the root `host`. */
export function hostProgram(host: string, name: string): string[] {
  const program = ['usr/bin', 'usr/sbin'].map((part) => join(host, part, name)).find(existsSync);
  if (!program) throw new PmdError('VPCI_RIG', `Program '${name}' not found in ${host}`);
  return [
    join(host, 'lib64/ld-linux-x86-64.so.2'),
    ...['--library-path', join(host, 'usr/lib/x86_64-linux-gnu'), program],
  ];
}

/** The static busybox. */
export const busyboxOf = (host: string): string => join(host, 'usr/bin/busybox');

/**
 * Makes a squashfs of a folder, all files owned by root. lz4, because a guest without KVM decompresses
 * slowly.
 */
export async function squash(
  host: string,
  folder: string,
  image: string,
  excluded: readonly string[] = [],
): Promise<void> {
  const options = ['-noappend', '-all-root', '-comp', 'lz4', '-no-progress', '-quiet'];
  const without = excluded.length > 0 ? ['-wildcards', '-e', ...excluded] : [];
  const command = [...hostProgram(host, 'mksquashfs'), folder, image, ...options, ...without];
  await runToEnd('mksquashfs', command, TOOL_MS);
}

/** Makes an initramfs from a folder. */
export async function pack(host: string, folder: string, archive: string): Promise<void> {
  const busybox = busyboxOf(host);
  const script = 'cd "$1" && "$0" find . | "$0" cpio -o -H newc > "$2"';
  await runToEnd('cpio', [busybox, 'sh', '-c', script, busybox, folder, archive], TOOL_MS);
}

/** Decompresses an .xz file. */
export async function unxz(host: string, from: string, to: string): Promise<void> {
  const busybox = busyboxOf(host);
  const script = '"$0" unxz -c "$1" > "$2"';
  await runToEnd('unxz', [busybox, 'sh', '-c', script, busybox, from, to], TOOL_MS);
}

/** Writes the lists with which modprobe finds the modules of kernel `version` below `root`. */
export async function depmod(host: string, root: string, version: string): Promise<void> {
  await runToEnd('depmod', [...hostProgram(host, 'depmod'), '-b', root, version], TOOL_MS);
}
