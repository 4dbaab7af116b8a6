// SPDX-License-Identifier: BSD-3-Clause
// Which files the ports read and write: starting a port empties those that it writes, and none of them may be
// one that a port reads, by whatever name.
import { statSync } from 'node:fs';
import { PmdError } from '../../errors.ts';
import { fileIdentity } from '../../file-identity.ts';
import type { PcapDevargs } from './devargs.ts';

type Files = Pick<PcapDevargs, 'rx' | 'tx'>;

/** Of the ports that are open. */
const open = new Map<object, Files>();

/**
 * Throws if a port with these files would write over what it, or another port, reads or writes; else they are
 * `owner`'s until releaseFiles(). Called again before they are emptied: names may mean other files by then.
 */
export function claimFiles(owner: object, action: string, files: Files): void {
  const others = [...open].filter(([port]) => port !== owner).map(([, theirs]) => theirs);
  const read = new Set([files, ...others].flatMap(({ rx }) => rx).flatMap(identity));
  const written = new Set(others.flatMap(({ tx }) => tx).flatMap(identity));
  const refuse = (path: string, why: string) => {
    throw new PmdError('VPCI_DEVARGS', `Failed to ${action}: ${path} ${why}`);
  };
  for (const path of files.rx)
    for (const id of identity(path)) if (written.has(id)) refuse(path, 'is written by another port');
  for (const path of files.tx) {
    for (const id of identity(path)) {
      if (read.has(id)) refuse(path, 'is read by an rx_pcap, and writing would empty it');
      if (written.has(id)) refuse(path, 'is written by another tx_pcap');
      written.add(id);
    }
  }
  open.set(owner, files);
}

export function releaseFiles(owner: object): void {
  open.delete(owner);
}

/** What tells a file from others, however it is named; a device may be written by many. */
function identity(path: string): string[] {
  try {
    const status = statSync(path, { bigint: true });
    return status.isFile() ? [`${status.dev} ${status.ino}`] : [];
  } catch {
    // There is none yet, or opening it says why not.
    return [fileIdentity(path)];
  }
}
