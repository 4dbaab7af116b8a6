// SPDX-License-Identifier: BSD-3-Clause
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Images } from './images.ts';
import { type MachineSpec, peerMachine, pmdMachine, qemuCommand } from './qemu.ts';

const PATHS = { console: '/r/con', consoleLog: '/l/con.log', agent: '/r/agent', qmp: '/r/qmp' };

describe("QEMU's command line", () => {
  let host: string;

  beforeEach(() => {
    host = mkdtempSync(join(tmpdir(), 'vpci-qemu-'));
    mkdirSync(join(host, 'usr/bin'), { recursive: true });
    writeFileSync(join(host, 'usr/bin/qemu-system-x86_64'), '');
  });
  afterEach(() => rmSync(host, { recursive: true }));

  const line = (spec: MachineSpec) => {
    const images: Images = {
      id: 'x',
      host,
      firmware: ['/fw'],
      kernel: '/k',
      initramfs: '/i',
      root: '/root.sq',
    };
    return qemuCommand(images, 'tcg', spec, PATHS).join(' ');
  };

  it('puts the memory of every machine in one shared file', () => {
    for (const spec of [peerMachine('/v'), pmdMachine('/f', '/p')]) {
      expect(line(spec)).toContain(`memory-backend-memfd,id=mem,size=${spec.memoryMib}M,share=on`);
      expect(line(spec)).toContain('memory-backend=mem');
    }
  });

  it('uses a file at a fixed path for a machine that may be restarted', () => {
    expect(line(peerMachine('/v', { memoryFile: '/shm/vm2,x' }))).toContain(
      'memory-backend-file,mem-path=/shm/vm2,,x,id=mem,size=512M,share=on',
    );
  });

  it('never makes a machine limited to one CPU, for which TCG omits barriers', () => {
    for (const spec of [peerMachine('/v'), pmdMachine('/f', '/p')]) {
      const [, now, most] = / -smp (\d+),maxcpus=(\d+) /.exec(line(spec)) ?? [];
      expect(Number(now)).toBe(spec.cpus);
      expect(Number(most)).toBeGreaterThan(1);
    }
  });

  it('has the virtual IOMMU before the function behind it', () => {
    const text = line(pmdMachine('/f', '/p'));
    expect(text.indexOf('intel-iommu')).toBeGreaterThan(0);
    expect(text.indexOf('intel-iommu')).toBeLessThan(text.indexOf('vfio-user-pci'));
    expect(text).toContain('"socket":{"type":"unix","path":"/f"}');
    expect(text).toContain('intel_iommu=on');
  });

  it('has no IOMMU for UIO', () => {
    const text = line(pmdMachine('/f', '/p', { iommu: false }));
    expect(text).not.toMatch(/intel.iommu/);
    expect(text).toContain('rig.modules=uio_pci_generic,tun');
  });

  it("gives the peer a stock card with the caller's options", () => {
    expect(line(peerMachine('/v', { card: 'mrg_rxbuf=off' }))).toMatch(
      /socket,id=net,path=\/v,.*virtio-net-pci,netdev=net0,addr=1.0,mac=[0-9a-f:]+,mrg_rxbuf=off/,
    );
  });

  it('does not use missing programs', () => {
    rmSync(join(host, 'usr'), { recursive: true });
    expect(() => line(peerMachine('/v'))).toThrow(/Program 'qemu-system-x86_64' not found/);
  });
});
