// SPDX-License-Identifier: BSD-3-Clause
// PCI device names from pci.ids (https://pci-ids.ucw.cz): "vvvv Vendor", followed by lines "<tab>dddd
// Device".
import { readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

const hex4 = (value: number): string => value.toString(16).padStart(4, '0');

export class PciNames {
  readonly #lines: readonly string[];

  constructor(places: Places) {
    const text = places.pciIds.map((path) => readText(path)).find((found) => found !== '');
    this.#lines = text?.split('\n') ?? [];
  }

  /** "Virtio 1.0 network device 1041": name and id. As in lspci, unknown devices are called "Device". */
  describe(vendor: number, device: number): string {
    return `${this.#find(vendor, device) ?? 'Device'} ${hex4(device)}`;
  }

  #find(vendor: number, device: number): string | null {
    const start = this.#lines.findIndex((line) => line.startsWith(`${hex4(vendor)}  `));
    if (start < 0) return null;
    for (const line of this.#lines.slice(start + 1)) {
      if (/^[^\t#]/.test(line)) return null;
      if (line.startsWith(`\t${hex4(device)}  `)) return line.slice(7);
    }
    return null;
  }
}
