// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vhostPciConfigSpace } from '../../test/support/config-space.ts';
import { FakeSysfs } from '../../test/support/fake-sysfs.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { until } from '../../test/support/wait.ts';
import { native } from '../native.ts';
import { readPciDevice, type SysfsPciDevice } from '../pci/sysfs.ts';
import type { PciDevice } from './pci-device.ts';
import { openUio } from './uio.ts';

const ADDRESS = '0000:00:04.0';
const HUGE_PAGE = 2 * 1024 * 1024;

function freeHugepages(): number {
  return Number(/HugePages_Free:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
}

describe('UIO', () => {
  let folder: string;
  let before: number;
  let sysfs: FakeSysfs;
  let opened: PciDevice | null;

  const path = (file: string) => join(sysfs.root, 'bus/pci/devices', ADDRESS, file);
  const open = () => {
    const device = readPciDevice(ADDRESS, sysfs.root) as SysfsPciDevice;
    opened = openUio(device, join(folder, 'dev'));
    return opened;
  };

  beforeEach(() => {
    before = openFds();
    folder = mkdtempSync(join(tmpdir(), 'vpci-uio-'));
    sysfs = new FakeSysfs(join(folder, 'sys'));
    const bars = [0x4000, 0x4000, 0x10_0000];
    sysfs.add({ address: ADDRESS, driver: 'uio_pci_generic', bars });
    sysfs.file('../dev/uio3', '');
    sysfs.folder(`bus/pci/devices/${ADDRESS}/uio/uio3`);
    writeFileSync(path('config'), new Uint8Array(vhostPciConfigSpace(4).buffer));
    bars.forEach((size, bar) => {
      writeFileSync(path(`resource${bar}`), '');
      truncateSync(path(`resource${bar}`), size);
    });
    opened = null;
  });

  afterEach(() => {
    opened?.close();
    opened?.close();
    rmSync(folder, { recursive: true });
    expect(openFds()).toBe(before);
  });

  it('is the same kind of device, and reports what it lacks', () => {
    const device = open();
    expect([device.busName, device.vectors, device.canRemap, device.interrupts]).toEqual([
      'uio_pci_generic',
      4,
      false,
      'polled',
    ]);
    expect([0, 2, 3, 9].map((bar) => device.barSize(bar))).toEqual([0x4000, 0x10_0000, 0, 0]);
    expect(device.notes[0]).toMatch(/poll mode only, without interrupts .* without an IOMMU/);
    expect(readFileSync(path('config')).readUInt16LE(4) & 6).toBe(6);
  });

  it('reads and writes registers in the mapped BAR', () => {
    const registers = open().bar(0);
    registers.write32(0x10, 0xdead_beef);
    registers.write16(0x12, 0x1234);
    registers.write8(0x10, 1);
    expect(readFileSync(path('resource0')).readUInt32LE(0x10)).toBe(0x1234_be01);
    expect([registers.read8(0x11), registers.read16(0x12), registers.read32(0x10)]).toEqual([
      0xbe, 0x1234, 0x1234_be01,
    ]);
    expect(() => registers.read32(0x4000)).toThrow(expect.objectContaining({ code: 'VPCI_BAD_ACCESS' }));
    expect(() => opened?.bar(3)).toThrow(expect.objectContaining({ code: 'VPCI_NO_BAR' }));
  });

  it('maps memory BARs', () => {
    const device = open();
    const [area, ...more] = device.mapBar(2);
    expect([area?.barOffset, area?.size, more]).toEqual([0, 0x10_0000, []]);
    native.unmap(area?.mapping as never);
    expect(device.mapBar(3)).toEqual([]);
    const half = { offset: 0x8_0000, size: 0x8_0000, writable: false };
    const [part] = device.mapBar(2, half);
    expect(part).toMatchObject({ barOffset: 0x8_0000, size: 0x8_0000, writable: false });
    native.unmap(part?.mapping as never);
    expect(device.mapBar(2, { ...half, size: 0x8_0001 })).toEqual([]);
    truncateSync(path('resource2'), 4096);
    expect(() => device.mapBar(2)).toThrow(/^Failed to map BAR 2 of 0000:00:04.0: ERANGE/);
  });

  it('calls handlers by a timer, and rings by register writes', async () => {
    const device = open();
    const seen = new Set<number>();
    device.onInterrupt(0, () => seen.add(0));
    device.onInterrupt(1, () => seen.add(1));
    expect(() => device.onInterrupt(4, () => {})).toThrow(/has 4 vectors; there is no vector 4/);
    expect(device.interruptFd(2)).toBe(-1);
    device.enableInterrupts();
    await until('both are called', () => seen.size === 2);
    native.eventfdSignal(device.doorbell(0, 0x3004, 1));
    await until('the register is written', () => readFileSync(path('resource0')).readUInt16LE(0x3004) === 1);
  });

  it('detects that the device no longer responds, and calls no handler afterwards', async () => {
    const device = open();
    const reasons: string[] = [];
    let calls = 0;
    device.onRemoved((reason) => reasons.push(reason));
    device.onInterrupt(0, () => calls++);
    device.enableInterrupts();
    writeFileSync(path('config'), new Uint8Array(256).fill(0xff));
    await until('it is reported', () => reasons.length > 0);
    const then = calls;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([reasons, calls]).toEqual([['it no longer responds'], then]);
  });

  it('reports how to get hugepages for a device without an IOMMU if there are none', () => {
    const device = open();
    expect(() => device.allocateDma(2 ** 46)).toThrow(
      /^Failed to allocate memory for 0000:00:04.0: without an IOMMU it needs 33554432 hugepages of 2 MiB; reserve some/,
    );
  });

  it.runIf(freeHugepages() > 0 && process.getuid?.() === 0)('gives memory by its physical address', () => {
    const memory = open().allocateDma(5000);
    expect([memory.size, memory.iova % BigInt(HUGE_PAGE), memory.iova > 0n]).toEqual([HUGE_PAGE, 0n, true]);
    expect(new Uint8Array(memory.buffer).subarray(0, 8192).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a function without a UIO device', () => {
    rmSync(path('uio'), { recursive: true });
    expect(open).toThrow(`Failed to open ${ADDRESS}: uio_pci_generic has not created a UIO device for it`);
  });

  it('refuses a function for which an IOMMU translates', () => {
    sysfs.file(`bus/pci/devices/${ADDRESS}/iommu_group/type`, 'DMA-FQ\n');
    expect(open).toThrow(
      `Failed to open ${ADDRESS}: its IOMMU translates addresses (type DMA-FQ), which UIO cannot configure; bind it to vfio-pci, or start the machine with iommu=pt`,
    );
    sysfs.file(`bus/pci/devices/${ADDRESS}/iommu_group/type`, 'identity\n');
    expect(open().busName).toBe('uio_pci_generic');
  });

  it('leaves nothing open if the function is invalid', () => {
    const config = vhostPciConfigSpace(4);
    config.setUint8(0x41, 0x40);
    writeFileSync(path('config'), new Uint8Array(config.buffer));
    expect(open).toThrow(/The capability list has a loop/);
  });
});
