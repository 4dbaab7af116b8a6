// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vhostPciConfigSpace } from '../../test/support/config-space.ts';
import { FakeSysfs } from '../../test/support/fake-sysfs.ts';
import { FakeVfio } from '../../test/support/fake-vfio.ts';
import { openFds } from '../../test/support/open-fds.ts';
import { until } from '../../test/support/wait.ts';
import { native } from '../native.ts';
import { readPciDevice, type SysfsPciDevice } from '../pci/sysfs.ts';
import { ioctl } from './ioctl.ts';
import type { PciDevice } from './pci-device.ts';
import { openVfioPci } from './vfio-kernel.ts';

const ADDRESS = '0000:00:04.0';
const CONFIG = 7;
const READ_WRITE = 3;
const MAPPABLE = 7;

describe('kernel VFIO', () => {
  let folder: string;
  let before: number;
  let sysfs: FakeSysfs;
  let vfio: FakeVfio;
  let opened: PciDevice | null;

  const sysfsDevice = () => readPciDevice(ADDRESS, sysfs.root) as SysfsPciDevice;
  const devVfio = () => join(folder, 'dev');
  const open = () => {
    opened = openVfioPci(sysfsDevice(), { sysfs: sysfs.root, devVfio: devVfio(), ioctl: vfio.ioctl });
    return opened;
  };
  const writeConfig = (vectors = 4) => {
    const { view, unmap } = vfio.view(CONFIG, 256);
    new Uint8Array(view.buffer).set(new Uint8Array(vhostPciConfigSpace(vectors).buffer));
    return { view, unmap };
  };

  beforeEach(() => {
    before = openFds();
    folder = mkdtempSync(join(tmpdir(), 'vpci-vfio-'));
    sysfs = new FakeSysfs(join(folder, 'sys'));
    sysfs.add({ address: ADDRESS, driver: 'vfio-pci', iommuGroup: '7' });
    sysfs.folder('../dev');
    vfio = new FakeVfio(devVfio(), ['7']);
    vfio.regions = [
      { size: 0x4000, flags: READ_WRITE },
      { size: 0x4000, flags: READ_WRITE },
      { size: 0x10_0000, flags: MAPPABLE },
      { size: 0, flags: 0 },
      { size: 0x8000, flags: MAPPABLE | 8, sparse: [{ offset: 0x1000, size: 0x2000 }] },
      { size: 0, flags: 0 },
      { size: 0, flags: 0 },
      { size: 256, flags: READ_WRITE },
    ];
    writeConfig().unmap();
    opened = null;
  });

  afterEach(() => {
    opened?.close();
    opened?.close();
    expect(vfio.dma.size).toBe(0);
    vfio.close();
    rmSync(folder, { recursive: true });
    expect(openFds()).toBe(before);
  });

  it('goes from container to device in the order of the documentation', () => {
    const device = open();
    expect(vfio.calls.slice(0, 6)).toEqual([
      'VFIO_GET_API_VERSION',
      'VFIO_CHECK_EXTENSION',
      'VFIO_GROUP_GET_STATUS',
      'VFIO_GROUP_SET_CONTAINER',
      'VFIO_SET_IOMMU',
      'VFIO_GROUP_GET_DEVICE_FD',
    ]);
    expect([device.name, device.busName, device.vectors, device.canRemap]).toEqual([
      ADDRESS,
      'vfio-pci',
      4,
      false,
    ]);
    expect([0, 1, 2, 3, 4, 9].map((bar) => device.barSize(bar))).toEqual([
      0x4000, 0x4000, 0x10_0000, 0, 0x8000, 0,
    ]);
    expect([device.notes, device.systemCalls]).toEqual([[], 'ffi-napi']);
  });

  it('reads and writes registers in their widths', () => {
    const device = open();
    expect(device.config.read32(0)).toBe(0x1014_1af4);
    expect(device.config.read16(4) & 6).toBe(6);
    const { view, unmap } = vfio.view(0, 0x4000);
    const registers = device.bar(0);
    registers.write32(0x10, 0xdead_beef);
    registers.write8(0x10, 0x1ff);
    registers.write16(0x12, 0x1234);
    registers.write64(0x18, 0x1122_3344_5566_7788n);
    expect([view.getUint32(0x10, true), view.getBigUint64(0x18, true)]).toEqual([
      0x1234_beff,
      0x1122_3344_5566_7788n,
    ]);
    expect([registers.read8(0x11), registers.read16(0x10), registers.read32(0x10)]).toEqual([
      0xbe, 0xbeff, 0x1234_beff,
    ]);
    expect(() => registers.read32(0x3ffe)).toThrow(expect.objectContaining({ code: 'VPCI_BAD_ACCESS' }));
    expect(() => device.bar(3)).toThrow(expect.objectContaining({ code: 'VPCI_NO_BAR' }));
    unmap();
  });

  it('maps a whole memory BAR, or the areas of the sparse capability', () => {
    const device = open();
    const areas = [...device.mapBar(2), ...device.mapBar(4)];
    expect(areas.map(({ barOffset, size }) => [barOffset, size])).toEqual([
      [0, 0x10_0000],
      [0x1000, 0x2000],
    ]);
    const { view, unmap } = vfio.view(4, 0x8000);
    view.setUint32(0x1008, 77, true);
    const [, sparse] = areas;
    expect(new DataView(native.mappingBuffer(sparse?.mapping as never)).getUint32(8, true)).toBe(77);
    const part = device.mapBar(4, { offset: 0, size: 0x2000, writable: false });
    expect(part).toMatchObject([{ barOffset: 0x1000, size: 0x1000, writable: false }]);
    areas.push(...part);
    expect([device.mapBar(0), device.mapBar(3), device.mapBar(-1)]).toEqual([[], [], []]);
    unmap();
    for (const { mapping } of areas) native.unmap(mapping);
  });

  it('arms all vectors in one call, with -1 for those without a handler', async () => {
    const device = open();
    const seen: number[] = [];
    device.onInterrupt(0, () => seen.push(0));
    device.onInterrupt(3, () => seen.push(3));
    device.enableInterrupts();
    const fds = vfio.eventfds.get(2) as number[];
    expect(fds.map((fd) => fd >= 0)).toEqual([true, false, false, true]);
    native.eventfdSignal(fds[3] as number);
    await until('the handler runs', () => seen.length > 0);
    expect(seen).toEqual([3]);
    expect(() => device.onInterrupt(4, () => {})).toThrow(/has 4 vectors; there is no vector 4/);
    device.close();
    expect(vfio.eventfds.get(2)).toBeUndefined();
  });

  it('leaves an interrupt to another thread on request', () => {
    const device = open();
    device.onInterrupt(0, () => {});
    const fd = device.interruptFd(2);
    device.enableInterrupts();
    const fds = vfio.eventfds.get(2) as number[];
    expect(fds.map((armed) => armed >= 0)).toEqual([true, false, true]);
    native.eventfdSignal(fds[2] as number);
    expect(native.eventfdDrain(fd)).toBe(1n);
    expect(() => device.interruptFd(4)).toThrow(/has 4 vectors; there is no vector 4/);
  });

  it('reports once that the kernel requests the release of the device', async () => {
    const device = open();
    const reasons: string[] = [];
    device.onRemoved((reason) => reasons.push(reason));
    const fd = vfio.eventfds.get(4)?.[0] as number;
    native.eventfdSignal(fd);
    await until('it is reported', () => reasons.length > 0);
    native.eventfdSignal(fd);
    await until('the second request is read', () => !native.pollFd(fd, 'in', 0));
    expect(reasons).toEqual(['the kernel requested its release']);
  });

  it('regression: detects a device that no longer responds, although the kernel shows cached ids', async () => {
    const device = open();
    const reasons: string[] = [];
    device.onRemoved((reason) => reasons.push(reason));
    const { view, unmap } = vfio.view(CONFIG, 256);
    for (let at = 4; at < 256; at += 4) view.setUint32(at, 0xffff_ffff, true);
    await until('it is reported', () => reasons.length > 0);
    expect(reasons).toEqual(['it no longer responds']);
    unmap();
  });

  it('turns a doorbell into a register write', async () => {
    const device = open();
    const fd = device.doorbell(0, 0x3004, 1);
    expect(device.doorbell(0, 0x3004, 1)).toBe(fd);
    const { view, unmap } = vfio.view(0, 0x4000);
    expect(native.eventfdSignal(fd)).toBe(true);
    await until('the register is written', () => view.getUint16(0x3004, true) === 1);
    unmap();
  });

  it('maps memory for the device by its address in this process, and unmaps it', () => {
    const device = open();
    const memory = device.allocateDma(5000);
    const mapped = vfio.dma.get(memory.iova);
    expect(mapped).toEqual({ vaddr: native.mappingAddress(memory.mapping), size: 8192n });
    expect(memory.size).toBe(8192);
    vfio.failures.set('VFIO_IOMMU_MAP_DMA', 'ENOMEM');
    expect(() => device.allocateDma(4096)).toThrow(/the limit of locked memory is too low \(ulimit -l\)/);
  });

  it('resets the device if it can', () => {
    const device = open();
    device.reset();
    expect(vfio.calls.at(-1)).toBe('VFIO_DEVICE_RESET');
    device.close();
    vfio.deviceFlags = 2;
    const calls = vfio.calls.length;
    open().reset();
    expect(vfio.calls.slice(calls)).not.toContain('VFIO_DEVICE_RESET');
  });

  describe('refuses with a one-line error', () => {
    it('a function without an IOMMU', () => {
      sysfs.add({ address: '0000:00:05.0', driver: 'vfio-pci' });
      const device = readPciDevice('0000:00:05.0', sysfs.root) as SysfsPciDevice;
      expect(() => openVfioPci(device, { devVfio: devVfio(), ioctl: vfio.ioctl })).toThrow(
        /^Failed to open 0000:00:05.0: it has no IOMMU; .*--noiommu-mode, or bind it to uio_pci_generic$/,
      );
    });

    it('a group that has devices of other drivers, naming them', () => {
      sysfs.add({ address: '0000:00:04.1', driver: 'e1000e', iommuGroup: '7' });
      vfio.viable = false;
      expect(open).toThrow(
        `Failed to open ${ADDRESS}: its IOMMU group 7 has devices of other drivers: 0000:00:04.1 (e1000e); bind them to vfio-pci too`,
      );
    });

    it.each([
      ['VFIO_GROUP_GET_DEVICE_FD', 'EBUSY', `Failed to open ${ADDRESS}: it is in use by another process`],
      [
        'VFIO_SET_IOMMU',
        'EPERM',
        `Failed to open ${ADDRESS}: the kernel denied permission to set up the IOMMU (EPERM)`,
      ],
      [
        'VFIO_GROUP_SET_CONTAINER',
        'EINVAL',
        `Failed to put group 7 into a container for ${ADDRESS}: EINVAL, ioctl`,
      ],
    ])('a failing %s', (call, code, message) => {
      vfio.failures.set(call, code);
      expect(open).toThrow(expect.objectContaining({ code, message }));
    });

    it('an unknown version or IOMMU', () => {
      vfio.extensions = [1];
      expect(open).toThrow(/VFIO has no type 1 IOMMU; load the module vfio_iommu_type1/);
      vfio.version = 1;
      expect(open).toThrow(/VFIO has API version 1, not 0/);
    });

    it('a device that is not a PCI device', () => {
      vfio.deviceFlags = 1;
      expect(open).toThrow(/is not a PCI device for VFIO/);
    });

    it('missing device files', () => {
      rmSync(join(devVfio(), '7'));
      expect(open).toThrow(/\/7 does not exist; load the module vfio-pci and bind the device again$/);
    });

    it('region capabilities out of bounds', () => {
      const sparse = [{ offset: 0x1000, size: 0x8000 }];
      vfio.regions = vfio.regions.map((region, index) => (index === 4 ? { ...region, sparse } : region));
      expect(open).toThrow(
        /VFIO reports invalid information on region 4: a mappable area of 32768 bytes at 4096/,
      );
    });
  });
});

describe('ioctl', () => {
  it('throws the errno of the kernel by name', () => {
    const fd = native.eventfd();
    expect(() => ioctl(fd, 0x3b64, 0)).toThrow(expect.objectContaining({ code: 'ENOTTY', syscall: 'ioctl' }));
    expect(() => ioctl(fd, 0x3b64, Buffer.alloc(8))).toThrow(expect.objectContaining({ code: 'ENOTTY' }));
    native.close(fd);
    expect(() => ioctl(fd, 0x3b64, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });
});
