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

  it('is refused with a one-line error if it does not exist', () => {
    expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(
      `Failed to open ${ADDRESS}: there is no such PCI function; vhost-pci-devbind --status lists them`,
    );
  });

  it.each([
    [undefined, 'it is not bound to a driver'],
    ['virtio-pci', 'it is bound to the driver virtio-pci'],
  ])('is refused when bound to %s, with the command that helps', (driver, cause) => {
    sysfs.add({ address: ADDRESS, ...(driver ? { driver } : {}) });
    expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(
      expect.objectContaining({
        code: 'VPCI_NOT_BOUND',
        message: `Failed to open ${ADDRESS}: ${cause}; run vhost-pci-devbind --bind=vfio-pci ${ADDRESS} (or --bind=uio_pci_generic without an IOMMU)`,
      }),
    );
  });

  it.each([undefined, 'vfio-pci', 'nvme'])(
    'regression: is refused by its ids if it is another function (driver %s), without advice to bind it',
    (driver) => {
      sysfs.add({ address: ADDRESS, vendor: 0x8086, device: 0x10d3, ...(driver ? { driver } : {}) });
      expect(() => openPciAddress(ADDRESS, sysfs.root)).toThrow(
        expect.objectContaining({
          code: 'VPCI_WRONG_DEVICE',
          message: expect.stringMatching(/not a vhost-pci function \(1af4:1014\) but 8086:10d3;(?!.*--bind)/),
        }),
      );
    },
  );

  it.each([
    ['vfio-pci', /it has no IOMMU/],
    ['uio_pci_generic', /uio_pci_generic has not created a UIO device/],
  ])('uses the bus of the driver %s', (driver, expected) => {
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

  it('loads no foreign function interface for other buses', () => {
    expect(() => openVfioUser('/nowhere/at/all.sock')).toThrow(/no such socket/);
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    expect(loaded.filter((file) => /ffi-napi|ref-napi/.test(file))).toEqual([]);
  });
});
