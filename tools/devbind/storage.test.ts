// SPDX-License-Identifier: BSD-3-Clause
// A function that carries a mounted file system, swap, or a network by policy routes is not taken away.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPciDevice } from '../../src/pci/sysfs.ts';
import { FakeMachine, modalias } from './machine.test-help.ts';
import { REAL_PLACES } from './places.ts';
import { Storage } from './storage.ts';

const DISK = '0000:00:02.0';
const REAL = `devices/pci0000:00/${DISK}`;
let machine: FakeMachine;

beforeEach(() => {
  machine = new FakeMachine();
  machine.sysfs.add({
    address: DISK,
    device: 0x1042,
    classCode: 0x010000,
    driver: 'virtio-pci',
    modalias: modalias('1AF4', '1042'),
  });
});
afterEach(() => machine.close());

/** A disk or partition of the function, or, with a folder, of something else. */
function block(name: string, dev: string, folder = `${REAL}/virtio1/block`): void {
  machine.sysfs.file(`${folder}/${name}/dev`, `${dev}\n`);
  machine.sysfs.link(`class/block/${name}`, `${folder}/${name}`);
}

function mounted(dev: string, point: string, kind = 'ext4', source = '/dev/x'): void {
  machine.file('proc/self/mountinfo', `22 1 ${dev} / ${point} rw,relatime shared:1 - ${kind} ${source} rw\n`);
}

function expectRefused(what: string): void {
  expect(machine.devbind('-b', 'vfio-pci', '00:02.0')).toBe(1);
  expect(machine.err).toBe(`Warning: device ${DISK} carries ${what}. Not modifying\n`);
  expect(machine.devbind('-u', DISK)).toBe(1);
  expect(machine.err).toBe(`Warning: device ${DISK} carries ${what}. Skipping unbind\n`);
  expect(readPciDevice(DISK, machine.sysfs.root)?.driver).toBe('virtio-pci');
  expect(machine.devbind('--force', '-b', 'vfio-pci', DISK)).toBe(0);
}

describe('vhost-pci-devbind refuses, unless forced,', () => {
  it('a disk that is mounted', () => {
    block('vda', '254:0');
    mounted('254:0', '/');
    expectRefused('the file system of /');
  });

  it('a disk with a partition that is mounted, at a name with blanks', () => {
    block('vda', '254:0');
    block('vda1', '254:1', `${REAL}/virtio1/block/vda`);
    mounted('254:1', '/my\\040files');
    expectRefused('the file system of /my files');
  });

  it('a disk below LVM or encryption, at any depth', () => {
    block('vda', '254:0');
    block('dm-0', '253:0', 'devices/virtual/block');
    block('dm-1', '253:1', 'devices/virtual/block');
    machine.sysfs.link('class/block/vda/holders/dm-0', 'devices/virtual/block/dm-0');
    machine.sysfs.link('class/block/dm-0/holders/dm-1', 'devices/virtual/block/dm-1');
    mounted('253:1', '/home');
    expectRefused('the file system of /home');
  });

  it('a disk of a btrfs with several', () => {
    block('vda', '254:0');
    machine.sysfs.folder('fs/btrfs/2f-1/devices/vda');
    mounted('0:31', '/data', 'btrfs', '/dev/vdb');
    expectRefused('the file system of btrfs 2f-1');
  });

  it('a disk that is swap', () => {
    block('vda', '254:0');
    machine.file('proc/swaps', 'Filename\tType\tSize\tUsed\tPriority\n/dev/vda  partition\t99\t0\t-2\n');
    expectRefused('the swap space vda');
  });

  it('an NVMe controller whose disk has a path of its own in sysfs', () => {
    block('nvme0c0n1', '259:1', `${REAL}/nvme/nvme0`);
    block('nvme0n1', '259:0', 'devices/virtual/nvme-subsystem/nvme-subsys0');
    block('nvme0n1p1', '259:2', 'devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1');
    mounted('259:2', '/boot');
    expectRefused('the file system of /boot');
  });

  it('a function by which a folder of the host is mounted', () => {
    machine.sysfs.file(`${REAL}/virtio1/mount_tag`, 'shared\0');
    mounted('0:40', '/mnt', '9p', 'shared');
    expectRefused('the file system of /mnt');
  });

  it('an interface with a route in another table than the main one', () => {
    machine.sysfs.add({
      address: '0000:00:03.0',
      device: 0x1041,
      driver: 'virtio-pci',
      interfaces: ['eth7'],
    });
    machine.netInterface('eth7', 0x1003);
    machine.routes = 'local 10.0.0.2 dev eth7 table local proto kernel scope host src 10.0.0.2\n';
    machine.routes += 'fe80::/64 dev eth7 proto kernel metric 256\nmulticast ff00::/8 dev eth7 table local\n';
    expect(machine.devbind('-u', 'eth7')).toBe(0);
    machine.sysfs.bind('0000:00:03.0', 'virtio-pci');
    machine.routes += 'default via 10.0.0.1 dev eth7 table 100 \n';
    expect(machine.devbind('-u', 'eth7')).toBe(1);
    expect(machine.err).toContain('interface 0000:00:03.0 is active. Skipping unbind');
    expect(machine.devbind('--force', '-u', 'eth7')).toBe(0);
  });
});

describe('vhost-pci-devbind takes', () => {
  it('a disk that nothing uses', () => {
    block('vda', '254:0');
    block('vdb', '254:16', 'devices/pci0000:00/0000:00:09.0/virtio2/block');
    mounted('254:16', '/');
    expect(machine.devbind('-b', 'vfio-pci', DISK)).toBe(0);
  });
});

it('regression: this machine has its file systems on some function, or on none at all', () => {
  const storage = new Storage(REAL_PLACES);
  expect(storage.carriedBy('ffff:ff:1f.7')).toBeNull();
});
