// SPDX-License-Identifier: BSD-3-Clause
// The memory of RFC 2.1: a file for each side of a link, which only that side may write.
import { truncateSync, writeFileSync } from 'node:fs';
import { quoteDevarg } from '../../../src/ethdev/devargs.ts';
import type { Workspace } from '../../run/workspace.ts';

/** Files of the two sides of a link. */
export type Link = readonly [string, string];

export function createLink(memory: Workspace, sideBytes: number): Link {
  const side = () => {
    const file = memory.path('side');
    writeFileSync(file, '');
    truncateSync(file, sideBytes);
    return file;
  };
  return [side(), side()];
}

/** The --vdev argument of a link's end: 0 or 1. */
export function endOf(link: Link, end: 0 | 1, port: number): string {
  const [own, peer] = [link[end], link[1 - end]].map((file) => quoteDevarg(`${file}`));
  return `net_ivshmem${port},own=${own},peer=${peer}`;
}
