// SPDX-License-Identifier: BSD-3-Clause
// The text of --status, byte for byte as printed by dpdk-devbind.py, including trailing blanks, because
// scripts match it.
import { CATEGORIES, type Category } from './categories.ts';
import { type Inventory, inCategory, type Listed } from './inventory.ts';
import { USERSPACE_DRIVERS } from './modules.ts';

/** The status of one category, or of all. */
export function statusText(inventory: Inventory, option: string): string {
  return CATEGORIES.filter((category) => option === 'all' || category.option === option)
    .map((category) => categoryText(inventory, category))
    .join('');
}

function categoryText(inventory: Inventory, category: Category): string {
  const { title, option } = category;
  const devices = inCategory(inventory, category);
  if (devices.length === 0) return heading(`No '${title}' devices detected`);
  const loaded = inventory.modules.userspaceDrivers;
  const inUserspace = devices.filter(({ pci }) => pci.driver !== null && loaded.includes(pci.driver));
  const inKernel = devices.filter(({ pci }) => pci.driver !== null && !loaded.includes(pci.driver));
  const free = devices.filter(({ pci }) => pci.driver === null);
  // The NUMA node is shown only if it is known for all devices.
  const numa = devices.every(({ pci }) => pci.numaNode >= 0);
  const line = (device: Listed, ...parts: string[]) =>
    [
      `${device.pci.address} '${device.label}'`,
      ...(numa ? [`numa_node=${device.pci.numaNode}`] : []),
      ...parts,
    ].join(' ');
  const kernelLine = (device: Listed) =>
    line(
      device,
      ...(option === 'net' ? [`if=${device.pci.interfaces.join(',')}`] : []),
      `drv=${device.pci.driver}`,
      `unused=${device.unused}`,
      option === 'net' && device.active ? '*Active*' : '',
    );
  return [
    section(`${title} devices using DPDK-compatible driver`, inUserspace, (device) =>
      line(device, `drv=${device.pci.driver}`, `unused=${device.unused}`),
    ),
    section(`${title} devices using kernel driver`, inKernel, kernelLine),
    section(`Other ${title} devices`, free, (device) => line(device, `unused=${device.unused}`)),
  ].join('');
}

/** Returns '' for an empty section, which DPDK omits. */
function section(title: string, devices: readonly Listed[], line: (device: Listed) => string): string {
  if (devices.length === 0) return '';
  const lines = devices.map(line).sort();
  return `${heading(title)}${lines.join('\n')}\n`;
}

function heading(title: string): string {
  return `\n${title}\n${'='.repeat(title.length)}\n`;
}

/** Whether a driver gives userspace access to devices. */
export const isUserspaceDriver = (driver: string): boolean => USERSPACE_DRIVERS.includes(driver);
