// SPDX-License-Identifier: BSD-3-Clause
// A tree that looks like the parts of /sys that this project reads, and does what the kernel does when its
// files are written.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface FakeFunction {
  readonly address: string;
  readonly vendor?: number;
  readonly device?: number;
  readonly classCode?: number;
  readonly driver?: string;
  readonly iommuGroup?: string;
  readonly numaNode?: number;
  readonly interfaces?: readonly string[];
  /** Folder between the function and its interfaces: "virtio0". */
  readonly child?: string;
  readonly modalias?: string;
  /** Bytes of each BAR. */
  readonly bars?: readonly number[];
}

const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;

export class FakeSysfs {
  readonly root: string;

  /** `root` exists and is empty. */
  constructor(root: string) {
    this.root = root;
    for (const folder of ['bus/pci/devices', 'bus/pci/drivers', 'class/iommu', 'module']) this.folder(folder);
  }

  folder(path: string): string {
    const full = join(this.root, path);
    mkdirSync(full, { recursive: true });
    return full;
  }

  file(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  /** A module with its PCI driver, if it has one. */
  driver(name: string, module = name.replaceAll('-', '_')): void {
    this.folder(`module/${module}`);
    for (const file of ['bind', 'unbind']) this.file(`bus/pci/drivers/${name}/${file}`, '');
  }

  add(fn: FakeFunction): void {
    const real = `devices/pci0000:00/${fn.address}`;
    const { vendor = 0x1af4, device = 0x1014, classCode = 0x020000, numaNode = -1, bars = [] } = fn;
    this.file(`${real}/vendor`, `${hex(vendor, 4)}\n`);
    this.file(`${real}/device`, `${hex(device, 4)}\n`);
    this.file(`${real}/class`, `${hex(classCode, 6)}\n`);
    this.file(`${real}/numa_node`, `${numaNode}\n`);
    this.file(`${real}/driver_override`, '(null)\n');
    this.file(`${real}/modalias`, `${fn.modalias ?? 'pci:'}\n`);
    this.file(`${real}/resource`, resourceLines(bars));
    for (const name of fn.interfaces ?? []) this.folder(join(real, fn.child ?? '', 'net', name));
    this.link(`bus/pci/devices/${fn.address}`, real);
    if (fn.driver) this.bind(fn.address, fn.driver);
    if (fn.iommuGroup) {
      const group = `kernel/iommu_groups/${fn.iommuGroup}`;
      this.folder(group);
      this.link(`${real}/iommu_group`, group);
      this.link(`${group}/devices/${fn.address}`, real);
    }
  }

  /** As the kernel does when a driver takes a function. */
  bind(address: string, driver: string): void {
    if (!existsSync(join(this.root, 'bus/pci/drivers', driver))) this.driver(driver);
    this.link(`devices/pci0000:00/${address}/driver`, `bus/pci/drivers/${driver}`);
  }

  unbind(address: string): void {
    rmSync(join(this.root, `devices/pci0000:00/${address}/driver`), { force: true });
  }

  /** Makes a relative link, as the kernel does. Both arguments are paths in the tree. */
  link(path: string, target: string): void {
    const folder = dirname(join(this.root, path));
    mkdirSync(folder, { recursive: true });
    symlinkSync(relative(realpathSync(folder), realpathSync(join(this.root, target))), join(this.root, path));
  }
}

function resourceLines(bars: readonly number[]): string {
  const line = (size: number, index: number) => {
    if (size === 0) return `${hex(0, 16)} ${hex(0, 16)} ${hex(0, 16)}`;
    const start = 0xfe000000 + index * 0x100000;
    return `${hex(start, 16)} ${hex(start + size - 1, 16)} ${hex(0x40200, 16)}`;
  };
  return `${Array.from({ length: 13 }, (_, index) => line(bars[index] ?? 0, index)).join('\n')}\n`;
}
