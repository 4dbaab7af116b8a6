// SPDX-License-Identifier: BSD-3-Clause
// Finds interfaces that others depend on: members of a bond, bridge or team have no routes of their own, nor
// does an interface whose VLANs have the routes.
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

const IFF_UP = 1;
const UPPER = 'upper_';

/**
 * Describes what uses the interface, as a predicate whose subject is the interface; null if nothing does.
 * `routed`: interfaces with routes.
 */
export function usedAsUplink(name: string, routed: ReadonlySet<string>, places: Places): string | null {
  const master = masterOf(name, places);
  if (master !== null) return `is a member of ${kindOf(master, places)}${master}`;
  const upper = liveUpper(name, routed, places, new Set([name]));
  return upper === null ? null : `carries ${kindOf(upper, places)}${upper}, which is in use`;
}

const folderOf = (name: string, places: Places): string => join(places.sysfs, 'class/net', name);

function masterOf(name: string, places: Places): string | null {
  try {
    return basename(readlinkSync(join(folderOf(name, places), 'master')));
  } catch {
    return null;
  }
}

/** Finds an interface on top of this one that is up, has routes or a master, or carries one that does. */
function liveUpper(
  name: string,
  routed: ReadonlySet<string>,
  places: Places,
  seen: Set<string>,
): string | null {
  const folder = folderOf(name, places);
  const entries = existsSync(folder) ? readdirSync(folder).sort() : [];
  for (const entry of entries.filter((file) => file.startsWith(UPPER))) {
    const upper = entry.slice(UPPER.length);
    if (seen.has(upper)) continue;
    seen.add(upper);
    if (isUp(upper, places) || routed.has(upper) || masterOf(upper, places) !== null) return upper;
    const further = liveUpper(upper, routed, places, seen);
    if (further !== null) return further;
  }
  return null;
}

function isUp(name: string, places: Places): boolean {
  return (Number(readText(join(folderOf(name, places), 'flags'))) & IFF_UP) !== 0;
}

/** "bond ", "bridge ", "vlan ", or '' if the kernel does not report the kind. */
function kindOf(name: string, places: Places): string {
  const kind = /^DEVTYPE=([a-z]+)$/m.exec(readText(join(folderOf(name, places), 'uevent')))?.[1];
  return kind === undefined ? '' : `${kind} `;
}
