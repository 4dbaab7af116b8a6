// SPDX-License-Identifier: BSD-3-Clause
// What figures need beside them to be compared with others: the command, the version and the machine.
import { packageVersion } from '../../src/package-root.ts';
import { describeMachine, type Machine } from '../run/machine.ts';

export interface About {
  readonly version: string;
  /** As it was typed, with its options quoted for a shell. */
  readonly command: string;
  /** ISO 8601. */
  readonly started: string;
  readonly machine: Machine;
}

/** Of this process, from now on. */
export const aboutThisRun = (hugepages = false): About => ({
  version: packageVersion(),
  command: commandText(process.argv.slice(2)),
  started: new Date().toISOString(),
  machine: describeMachine(undefined, hugepages),
});

export const commandText = (words: readonly string[]): string =>
  ['vhost-pci-pktgen', ...words.map(quotedWord)].join(' ');

const quotedWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
