// SPDX-License-Identifier: BSD-3-Clause
// The status texts here are the output of dpdk-devbind.py (DPDK 26.11-rc0) for the same trees.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPciDevice } from '../../src/pci/sysfs.ts';
import { nodeArguments } from '../../test/support/program.ts';
import { FakeMachine, modalias } from './machine.test-help.ts';
import { REAL_PLACES } from './places.ts';
import { run } from './run.ts';

const MAIN = nodeArguments('tools/devbind/main.ts');
const VPCI = '0000:00:04.0';
const REFERENCE = '/usr/bin/dpdk-devbind.py';

const NETWORK = `
Network devices using DPDK-compatible driver
============================================
0000:00:04.0 'Device 1014' drv=vfio-pci unused=virtio_pci,uio_pci_generic

Network devices using kernel driver
===================================
0000:00:03.0 'Virtio 1.0 network device 1041' if=eth0 drv=virtio-pci unused=virtio_pci,vfio-pci,uio_pci_generic *Active*
0000:0a:00.0 '82599ES 10-Gigabit SFI/SFP+ Network Connection 10fb' if=eth1 drv=ixgbe unused=vfio-pci,uio_pci_generic 

Other Network devices
=====================
0000:00:05.0 'Device 1014' unused=virtio_pci,vfio-pci,uio_pci_generic
`;

const REST = `
No 'Baseband' devices detected
==============================

Crypto devices using DPDK-compatible driver
===========================================
0000:0c:00.0 'Device 37c9' numa_node=1 drv=uio_pci_generic unused=vfio-pci

Other Crypto devices
====================
0000:0b:00.0 'Device 37c8' numa_node=0 unused=vfio-pci,uio_pci_generic

No 'DMA' devices detected
=========================

No 'Eventdev' devices detected
==============================

No 'Mempool' devices detected
=============================

No 'Compress' devices detected
==============================

Misc (rawdev) devices using kernel driver
=========================================
0000:00:02.0 'Virtio 1.0 block device 1042' drv=virtio-pci unused=virtio_pci,vfio-pci,uio_pci_generic 

No 'Regex' devices detected
===========================

No 'ML' devices detected
========================
`;

describe('vhost-pci-devbind', () => {
  let machine: FakeMachine;
  const driverOf = (address: string) => readPciDevice(address, machine.sysfs.root)?.driver;
  const vpci = (address = VPCI, driver?: string) =>
    machine.sysfs.add({
      address,
      modalias: modalias('1AF4', '1014'),
      iommuGroup: '7',
      ...(driver ? { driver } : {}),
    });
  const nic = (address: string, name: string) =>
    machine.sysfs.add({
      address,
      device: 0x1041,
      driver: 'virtio-pci',
      interfaces: [name],
      child: 'virtio0',
      modalias: modalias('1AF4', '1041'),
    });

  beforeEach(() => {
    machine = new FakeMachine();
  });
  afterEach(() => machine.close());

  describe('--status', () => {
    it('prints the devices as dpdk-devbind.py does', () => {
      vpci(VPCI, 'vfio-pci');
      vpci('0000:00:05.0');
      nic('0000:00:03.0', 'eth0');
      const intel = { vendor: 0x8086, numaNode: 0 };
      machine.sysfs.add({
        ...intel,
        address: '0000:0a:00.0',
        device: 0x10fb,
        driver: 'ixgbe',
        interfaces: ['eth1'],
        modalias: modalias('8086', '10FB'),
      });
      machine.sysfs.add({ ...intel, address: '0000:00:1f.0', device: 0x2918, classCode: 0x060100 });
      machine.sysfs.add({ ...intel, address: '0000:0b:00.0', device: 0x37c8, classCode: 0x0b4000 });
      machine.sysfs.add({
        ...intel,
        address: '0000:0c:00.0',
        device: 0x37c9,
        classCode: 0x100000,
        driver: 'uio_pci_generic',
        numaNode: 1,
      });
      machine.sysfs.add({
        address: '0000:00:02.0',
        device: 0x1042,
        classCode: 0x018000,
        driver: 'virtio-pci',
        modalias: modalias('1AF4', '1042'),
      });
      expect(machine.devbind('--status')).toBe(0);
      expect(machine.out).toBe(NETWORK + REST);
      expect(machine.devbind('--status-dev', 'net')).toBe(0);
      expect(machine.out).toBe(NETWORK);
      expect(machine.err).toBe('');
    });

    it('omits names and drivers that the machine does not have', () => {
      vpci();
      for (const folder of ['module', 'bus/pci/drivers']) {
        rmSync(join(machine.sysfs.root, folder), { recursive: true });
      }
      machine.file('modules/modules.alias', '');
      machine.file('modules/modules.builtin', 'kernel/drivers/vfio/pci/vfio-pci.ko\n');
      machine.devbind('--status-dev=net');
      expect(machine.out).toContain("0000:00:04.0 'Device 1014' unused=vfio-pci\n");
    });

    it('says so if there are no devices', () => {
      machine.devbind('--status-dev', 'ml');
      expect(machine.out).toBe("\nNo 'ML' devices detected\n========================\n");
    });

    it.runIf(existsSync(REFERENCE) && existsSync('/usr/bin/lspci'))(
      'matches dpdk-devbind.py on this machine',
      () => {
        const args = ['--status-dev', 'net'];
        let ours = '';
        run(args, REAL_PLACES, { print: (text) => (ours += text), report: () => {} });
        const theirs = execFileSync(REFERENCE, args, {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        expect(ours).toBe(theirs);
      },
    );
  });

  describe('--bind', () => {
    it('binds a device through driver_override, and clears it again', () => {
      vpci(VPCI, 'virtio-pci');
      expect(machine.devbind('--bind=vfio-pci', '00:04.0')).toBe(0);
      expect([driverOf(VPCI), machine.override(VPCI), machine.out, machine.err]).toEqual([
        'vfio-pci',
        '',
        '',
        '',
      ]);
      expect(machine.devbind('-b', 'virtio-pci', VPCI, '--status-dev', 'net')).toBe(0);
      expect(machine.out).toContain("0000:00:04.0 'Device 1014' if= drv=virtio-pci");
    });

    it('accepts patterns and interface names', () => {
      vpci();
      vpci('0000:00:05.0');
      nic('0000:00:06.0', 'eth9');
      expect(machine.devbind('-b', 'vfio-pci', '00:0[45].0', 'eth9')).toBe(0);
      expect([VPCI, '0000:00:05.0', '0000:00:06.0'].map(driverOf)).toEqual([
        'vfio-pci',
        'vfio-pci',
        'vfio-pci',
      ]);
    });

    it('returns the device to its driver if the new one rejects it', () => {
      vpci(VPCI, 'virtio-pci');
      machine.refusing.add('vfio-pci');
      expect(machine.devbind('-b', 'vfio-pci', VPCI)).toBe(1);
      expect(machine.err).toBe('Error: Failed to bind 0000:00:04.0 to vfio-pci: EINVAL: write\n');
      expect(driverOf(VPCI)).toBe('virtio-pci');
    });

    it('skips devices that are already bound', () => {
      vpci(VPCI, 'vfio-pci');
      expect(machine.devbind('-b', 'vfio-pci', VPCI)).toBe(0);
      expect(machine.err).toBe('Notice: 0000:00:04.0 already bound to driver vfio-pci, skipping\n');
    });

    it.each(['eth0', 'eth2'])('refuses %s, which carries the network, unless forced', (name) => {
      nic('0000:00:03.0', name);
      vpci();
      expect(machine.devbind('-b', 'vfio-pci', '00:03.0', '00:04.0')).toBe(1);
      expect(machine.err).toBe(
        'Warning: routing table indicates that interface 0000:00:03.0 is active. Not modifying\n',
      );
      expect(['0000:00:03.0', VPCI].map(driverOf)).toEqual(['virtio-pci', 'vfio-pci']);
      expect(machine.devbind('--force', '-b', 'vfio-pci', name)).toBe(0);
      expect(driverOf('0000:00:03.0')).toBe('vfio-pci');
    });

    it.each(['bond', 'bridge', ''])('regression: refuses a member of a %s unless forced', (kind) => {
      machine.netInterface('top0', 0x1003, { kind });
      machine.netInterface('eth5', 0x1003, { uppers: ['top0'], master: 'top0' });
      nic('0000:00:03.0', 'eth5');
      const refused = `Warning: interface 0000:00:03.0 (eth5) is a member of ${kind ? `${kind} ` : ''}top0.`;
      expect(machine.devbind('-b', 'vfio-pci', '00:03.0')).toBe(1);
      expect(machine.err).toBe(`${refused} Not modifying\n`);
      expect(machine.devbind('-u', 'eth5')).toBe(1);
      expect(machine.err).toBe(`${refused} Skipping unbind\n`);
      expect(driverOf('0000:00:03.0')).toBe('virtio-pci');
      expect(machine.devbind('--force', '-b', 'vfio-pci', 'eth5')).toBe(0);
    });

    it.each([
      ['is up', () => machine.netInterface('eth5.7', 0x1003, { kind: 'vlan' })],
      [
        'is a member of a bridge',
        () => {
          machine.netInterface('br0', 0x1002, { kind: 'bridge' });
          machine.netInterface('eth5.7', 0x1002, { kind: 'vlan', master: 'br0' });
        },
      ],
    ])('regression: refuses an interface whose VLAN %s', (_, make) => {
      make();
      machine.netInterface('eth5', 0x1003, { uppers: ['eth5.7'] });
      nic('0000:00:03.0', 'eth5');
      expect(machine.devbind('-b', 'vfio-pci', '00:03.0')).toBe(1);
      expect(machine.err).toBe(
        'Warning: interface 0000:00:03.0 (eth5) carries vlan eth5.7, which is in use. Not modifying\n',
      );
      expect(machine.devbind('--force', '-b', 'vfio-pci', 'eth5')).toBe(0);
    });

    it('regression: refuses an interface at any depth below one that has routes', () => {
      machine.netInterface('eth2', 0);
      machine.netInterface('eth5.7', 0, { uppers: ['eth2'] });
      machine.netInterface('eth5', 0x1003, { uppers: ['eth5.7'] });
      nic('0000:00:03.0', 'eth5');
      expect(machine.devbind('-b', 'vfio-pci', 'eth5')).toBe(1);
      expect(machine.err).toContain('(eth5) carries eth2, which is in use. Not modifying\n');
    });

    it('accepts an interface that carries only idle ones', () => {
      machine.netInterface('eth5.7', 0x1002, { kind: 'vlan' });
      machine.netInterface('eth5', 0x1003, { uppers: ['eth5.7'] });
      nic('0000:00:03.0', 'eth5');
      expect(machine.devbind('-b', 'vfio-pci', 'eth5')).toBe(0);
    });

    it('accepts an interface with only link-local routes', () => {
      nic('0000:00:03.0', 'eth1');
      expect(machine.devbind('-b', 'vfio-pci', 'eth1')).toBe(0);
    });

    it.each([
      [['-b', 'vfio_pci2', VPCI], "Error: Driver 'vfio_pci2' is not loaded."],
      [['-b', 'igb_uio', VPCI], "Error: Driver 'igb_uio' is not loaded; load it: modprobe igb_uio."],
      [['-b', VPCI, '00:05.0'], "Error: Driver '0000:00:04.0' does not look like a valid driver. Did you"],
      [
        ['-b', 'vfio-pci', '00:09.0'],
        // regression: the error asked for an address, although one was given
        'Error: Unknown device: 00:09.0. This machine has no such PCI function.',
      ],
      // regression: the driver was reported first
      [
        ['-b', 'igb_uio', '00:09.0'],
        'Error: Unknown device: 00:09.0. This machine has no such PCI function.',
      ],
      [['-u', '0000:ff:1f.7'], 'Error: Unknown device: 0000:ff:1f.7. This machine has no such PCI function.'],
      [['-u', 'eth7'], 'Error: Unknown device: eth7.'],
    ])('refuses %j in one line', (args, message) => {
      vpci();
      expect(machine.devbind(...args)).toBe(1);
      expect(machine.err.startsWith(`vhost-pci-devbind: ${message}`), machine.err).toBe(true);
      expect(machine.err.split('\n')).toHaveLength(2);
      expect(driverOf(VPCI)).toBeNull();
    });

    it.each(['0000:00:00.0', '00:00.0'])(
      'regression: says of %s that its class is the reason, not that it is missing',
      (name) => {
        machine.sysfs.add({ address: '0000:00:00.0', classCode: 0x060000 });
        expect(machine.devbind('-b', 'none', name)).toBe(1);
        expect(machine.err).toBe(
          'vhost-pci-devbind: Error: Not modifying 0000:00:00.0: DPDK has no drivers for its class, 060000.\n',
        );
      },
    );

    it('warns if no userspace driver is loaded', () => {
      vpci();
      for (const module of ['vfio_pci', 'uio_pci_generic']) {
        rmSync(join(machine.sysfs.root, 'module', module), { recursive: true });
      }
      expect(machine.devbind('-b', 'vfio-pci', VPCI)).toBe(1);
      expect(machine.err).toMatch(/^Warning: no supported DPDK kernel modules are loaded/);
      expect(machine.err).toMatch(/load it: modprobe vfio-pci\.\n$/);
    });
  });

  describe('--unbind', () => {
    it('unbinds a device from its driver, as does -b none', () => {
      vpci(VPCI, 'vfio-pci');
      expect(machine.devbind('-u', VPCI)).toBe(0);
      expect(driverOf(VPCI)).toBeNull();
      expect(machine.devbind('-b', 'none', VPCI)).toBe(0);
      expect(machine.err).toBe('Notice: 0000:00:04.0 Device  is not currently managed by any driver\n');
    });

    it('unbinds everything from userspace drivers with the word dpdk', () => {
      vpci(VPCI, 'vfio-pci');
      vpci('0000:00:05.0', 'uio_pci_generic');
      nic('0000:00:06.0', 'eth9');
      expect(machine.devbind('-u', 'dpdk')).toBe(0);
      expect([VPCI, '0000:00:05.0', '0000:00:06.0'].map(driverOf)).toEqual([null, null, 'virtio-pci']);
    });

    it('refuses a device that carries the network', () => {
      nic('0000:00:03.0', 'eth0');
      expect(machine.devbind('-u', 'eth0')).toBe(1);
      expect(machine.err).toBe(
        'Warning: routing table indicates that interface 0000:00:03.0 is active. Skipping unbind\n',
      );
    });
  });

  describe('without an IOMMU', () => {
    const PARAMETER = 'module/vfio/parameters/enable_unsafe_noiommu_mode';
    beforeEach(() => {
      rmSync(join(machine.sysfs.root, 'class/iommu/dmar0'), { recursive: true });
      vpci();
    });

    it('reports what the machine lacks', () => {
      expect(machine.devbind('-b', 'vfio-pci', VPCI)).toBe(1);
      expect(machine.err).toMatch(/there is no IOMMU, .*CONFIG_VFIO_NOIOMMU.* or bind to uio_pci_generic\n$/);
      expect(machine.devbind('-b', 'uio_pci_generic', VPCI)).toBe(0);
    });

    it('enables the no-IOMMU mode only on request', () => {
      machine.sysfs.file(PARAMETER, 'N\n');
      expect(machine.devbind('-b', 'vfio-pci', VPCI)).toBe(1);
      expect(machine.err).toMatch(
        /IOMMU support is disabled, use --noiommu-mode for binding in noiommu mode/,
      );
      expect(driverOf(VPCI)).toBeNull();
      expect(machine.devbind('--noiommu-mode', '-b', 'vfio-pci', VPCI)).toBe(0);
      expect(machine.err).toBe('Warning: enabling unsafe no IOMMU mode for VFIO drivers\n');
      expect([machine.sysfs.read(PARAMETER), driverOf(VPCI)]).toEqual(['1', 'vfio-pci']);
      expect(machine.devbind('-b', 'vfio-pci', VPCI)).toBe(0);
    });
  });

  describe('the owner of the IOMMU group', () => {
    it('is set by name or number', () => {
      vpci();
      machine.file('dev/vfio/7', '');
      expect(machine.devbind('-b', 'vfio-pci', '--uid', 'user', '-G', '100', VPCI)).toBe(0);
      expect(machine.chowned).toEqual([['dev/vfio/7', 1000, 100]]);
    });

    it('must exist', () => {
      vpci();
      expect(machine.devbind('-b', 'vfio-pci', '-U', 'nobody', VPCI)).toBe(2);
      expect(machine.err).toMatch(/no such name in .*passwd\n$/);
    });
  });

  it.each([
    [[], 'No action specified for devices. Please give a --bind, --unbind or --status option'],
    [['-b', 'vfio-pci'], 'No devices specified.'],
  ])('ends with status 1, as dpdk-devbind.py does, for %j', (args, message) => {
    expect(machine.devbind(...args)).toBe(1);
    expect(machine.err).toBe(`vhost-pci-devbind: ${message}\n`);
  });

  it.each([
    [['-b'], "option '-b, --bind <driver>' argument missing"],
    [['--status-dev', 'foo'], "--status-dev 'foo': Allowed choices are "],
    [
      ['-u', '-b', 'vfio-pci', VPCI],
      "option '-u, --unbind' cannot be used with option '-b, --bind <driver>'",
    ],
    [['--foo'], "unknown option '--foo'"],
  ])('ends with status 2 for %j', (args, message) => {
    expect(machine.devbind(...args)).toBe(2);
    expect(machine.err.startsWith(`vhost-pci-devbind: ${message}`), machine.err).toBe(true);
  });

  it('regression: output lost to a full disk is reported with one line on stderr and a failure status', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [...MAIN, '--status'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toMatch(/^vhost-pci-devbind: stdout: output is lost: ENOSPC: .*\n$/);
    expect(status).toBe(1);
  });
});
