// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeSysfs } from '../../test/support/fake-sysfs.ts';
import { parsePciAddress } from '../pci/address.ts';
import { openPciAddress } from './open-pci.ts';
import { openVfioUser } from './vfio-user.ts';

const ADDRESS = '0000:00:04.0';

describe('a function by its address', () => {
  let sysfs: FakeSysfs;

  beforeEach(() => {
    sysfs = new FakeSysfs(mkdtempSync(join(tmpdir(), 'vpci-sysfs-')));
  });
  afterEach(() => rmSync(sysfs.root, { recursive: true }));

  it('is refused in one line when there is none', () => {
    expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(
      `Failed to open ${ADDRESS}: there is no such PCI function; vhost-pci-devbind --status lists them`,
    );
  });

  it.each([
    [undefined, 'it is bound to no driver'],
    ['virtio-pci', 'it is bound to the driver virtio-pci'],
  ])('is refused when %s has it, with the command that helps', (driver, cause) => {
    sysfs.add({ address: ADDRESS, ...(driver ? { driver } : {}) });
    expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(
      expect.objectContaining({
        code: 'VPCI_NOT_BOUND',
        message: `Failed to open ${ADDRESS}: ${cause}; run vhost-pci-devbind --bind=vfio-pci ${ADDRESS} (or --bind=uio_pci_generic without an IOMMU)`,
      }),
    );
  });

  it.each([undefined, 'vfio-pci', 'nvme'])(
    'regression: is refused by its ids when it is another function (driver %s), and not to be bound',
    (driver) => {
      sysfs.add({ address: ADDRESS, vendor: 0x8086, device: 0x10d3, ...(driver ? { driver } : {}) });
      expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(
        expect.objectContaining({
          code: 'VPCI_WRONG_DEVICE',
          message: expect.stringMatching(/no vhost-pci function \(1af4:1014\), but 8086:10d3;(?!.*--bind)/),
        }),
      );
    },
  );

  it.each([
    ['vfio-pci', /there is no IOMMU for it/],
    ['uio_pci_generic', /uio_pci_generic has made no uio device/],
  ])('takes the bus of the driver %s', (driver, expected) => {
    sysfs.add({ address: ADDRESS, driver });
    expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(expected);
  });

  it.each([
    ['0000:00:04.0', '0000:00:04.0'],
    ['00:1F.7', '0000:00:1f.7'],
    ['pci:10000:e1:00.0', '10000:e1:00.0'],
    ['00:20.0', null],
    ['00:04.8', null],
    ['0:4.0', null],
    ['net_null0', null],
  ])('is written as %s', (text, address) => {
    expect(parsePciAddress(text)).toBe(address);
  });

  it('costs no foreign function interface on other roads', () => {
    expect(() => openVfioUser('/nowhere/at/all.sock')).toThrow(/no such socket/);
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    expect(loaded.filter((file) => /ffi-napi|ref-napi/.test(file))).toEqual([]);
  });
});
