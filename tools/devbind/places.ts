// SPDX-License-Identifier: BSD-3-Clause
// The paths that this program uses, in one place so that tests can substitute their own.
import { chownSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import type { SysfsWrite } from '../../src/pci/binding.ts';

export interface Places {
  readonly sysfs: string;
  /** "/proc/net". */
  readonly procNet: string;
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
  devVfio: '/dev/vfio',
  modules: `/lib/modules/${release()}`,
  pciIds: ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids'],
  etc: '/etc',
  write: (path, text) => writeFileSync(path, text),
  chown: (path, uid, gid) => chownSync(path, uid, gid),
};
