// SPDX-License-Identifier: BSD-3-Clause
// The paths that this program uses, in one place so that tests can substitute their own.
import { execFileSync } from 'node:child_process';
import { chownSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import type { SysfsWrite } from '../../src/pci/binding.ts';

export interface Places {
  readonly sysfs: string;
  /** "/proc/net". */
  readonly procNet: string;
  /** "/proc/self"; swaps are in its parent. */
  readonly procSelf: string;
  /**
   * The routes of every table, as `ip -o route show table all` prints them; '' where there is no such
   * program.
   */
  readonly allRoutes: () => string;
  /** "/dev/vfio". */
  readonly devVfio: string;
  /** "/lib/modules/<release>". */
  readonly modules: string;
  /** Candidate paths of pci.ids. */
  readonly pciIds: readonly string[];
  /** "/etc". */
  readonly etc: string;
  readonly write: SysfsWrite;
  readonly chown: (path: string, uid: number, gid: number) => void;
}

export const REAL_PLACES: Places = {
  sysfs: '/sys',
  procNet: '/proc/net',
  procSelf: '/proc/self',
  allRoutes,
  devVfio: '/dev/vfio',
  modules: `/lib/modules/${release()}`,
  pciIds: ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids'],
  etc: '/etc',
  write: (path, text) => writeFileSync(path, text),
  chown: (path, uid, gid) => chownSync(path, uid, gid),
};

/** /proc/net/route has the main table only, and policy routing has others. */
function allRoutes(): string {
  const show = (family: string) => {
    try {
      return execFileSync('ip', [family, '-o', 'route', 'show', 'table', 'all'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 5000,
      });
    } catch {
      return '';
    }
  };
  return show('-4') + show('-6');
}
