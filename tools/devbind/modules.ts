// SPDX-License-Identifier: BSD-3-Clause
// Kernel modules: which userspace drivers are available, and which module the kernel would choose for a
// device.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readText } from '../../src/pci/sysfs.ts';
import { type Glob, parseGlob } from './glob.ts';
import type { Places } from './places.ts';

/** The drivers that give userspace access to a device, in output order. */
export const USERSPACE_DRIVERS: readonly string[] = ['igb_uio', 'vfio-pci', 'uio_pci_generic'];

export class KernelModules {
  readonly #loaded: ReadonlySet<string>;
  readonly #aliases: readonly { readonly pattern: Glob; readonly module: string }[];

  constructor(places: Places) {
    const folder = join(places.sysfs, 'module');
    const loaded = existsSync(folder) ? readdirSync(folder) : [];
    const builtIn = readText(join(places.modules, 'modules.builtin')).split('\n');
    this.#loaded = new Set(
      [...loaded, ...builtIn.map((path) => basename(path).replace(/\.ko(\..*)?$/, ''))].map(dashed),
    );
    this.#aliases = readAliases(join(places.modules, 'modules.alias'));
  }

  /** True for loaded modules and for modules built into the kernel. */
  has(driver: string): boolean {
    return this.#loaded.has(dashed(driver));
  }

  get userspaceDrivers(): string[] {
    return USERSPACE_DRIVERS.filter((driver) => this.has(driver));
  }

  /**
   * The module that the kernel would load for a device; of several, the last one, which lspci also lists
   * last.
   */
  moduleFor(modalias: string): string | null {
    return this.#aliases.findLast(({ pattern }) => pattern.matches(modalias))?.module ?? null;
  }
}

/** Module names have underscores; driver names sometimes have dashes instead. */
const dashed = (name: string): string => name.replaceAll('_', '-');

/** Parses lines `alias PATTERN MODULE` with shell patterns (modules.alias, written by depmod). */
function readAliases(path: string): { pattern: Glob; module: string }[] {
  const lines = readText(path)
    .split('\n')
    .filter((line) => line.startsWith('alias pci:'));
  return lines.map((line) => {
    const [, pattern = '', module = ''] = line.split(' ');
    return { pattern: parseGlob(pattern), module };
  });
}
