// SPDX-License-Identifier: BSD-3-Clause
// Which interfaces others stand on: members of a bond, bridge or team have no route of their own, nor has an interface whose VLANs have them.
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

const IFF_UP = 1;
const UPPER = 'upper_';

/** What uses the interface, as the end of a sentence that begins with it; null for nothing. `routed`: interfaces with routes. */
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

/** An interface on top of this one that is up, has routes or a master, or carries one that does. */
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

/** "bond ", "bridge ", "vlan "; nothing where the kernel does not say. */
function kindOf(name: string, places: Places): string {
  const kind = /^DEVTYPE=([a-z]+)$/m.exec(readText(join(folderOf(name, places), 'uevent')))?.[1];
  return kind === undefined ? '' : `${kind} `;
}
