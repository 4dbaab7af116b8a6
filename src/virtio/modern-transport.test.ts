// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import {
  BAR0_BYTES,
  DEVICE_OFFSET,
  memoryRegisters,
  NOTIFY_OFFSET,
} from '../../test/support/config-space.ts';
import { FakeVhostPci } from '../../test/support/fake-vhost-pci.ts';
import type { PciDevice } from '../bus/pci-device.ts';
import { describeFeatures, features } from './features.ts';
import { ModernTransport } from './modern-transport.ts';

const VERSION_1 = features(32);

describe('modern transport', () => {
  it('sets the status bits in order and negotiates features of all four words', () => {
    const offered = features(5, 32, 35, 64, 112, 127);
    const fake = new FakeVhostPci({ features: offered });
    const transport = new ModernTransport(fake);
    const accepted = transport.begin(features(32, 64, 112, 113, 127), VERSION_1);
    expect(accepted).toBe(features(32, 64, 112, 127));
    expect(fake.driverFeatures).toBe(accepted);
    expect(fake.status).toBe(1 | 2 | 8);
    transport.ready();
    expect(fake.status).toBe(1 | 2 | 8 | 4);
    expect(fake.resets).toBe(1);
  });

  it('gives up on a device that lacks a required feature', () => {
    const fake = new FakeVhostPci({ features: features(5) });
    expect(() => new ModernTransport(fake).begin(VERSION_1, VERSION_1)).toThrow(/lacks features 0x100000000/);
    expect(fake.status & 128).toBe(128);
  });

  it('gives up on a device that refuses the features', () => {
    const fake = new FakeVhostPci({ features: VERSION_1, refuseFeatures: true });
    expect(() => new ModernTransport(fake).begin(VERSION_1, VERSION_1)).toThrow(/refused the features/);
    expect(fake.status & 128).toBe(128);
  });

  it('sets up a queue', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    const transport = new ModernTransport(fake);
    const addresses = { desc: 0x1_2345_6000n, driver: 0x1_2345_7000n, device: 0x1_2345_8000n };
    transport.setupQueue(2, 32, addresses, 1);
    expect(fake.queues[2]).toEqual({ size: 32, vector: 1, enabled: 1, ...addresses });
  });

  it('finds notification registers, and refuses one outside the structure', () => {
    const fake = new FakeVhostPci({ features: VERSION_1, queuePairs: 2 });
    const transport = new ModernTransport(fake);
    expect(transport.notifyRegister(3)).toEqual({ bar: 0, offset: NOTIFY_OFFSET + 12 });
    fake.configView.setUint32(0x80, 0x1000, true);
    expect(() => new ModernTransport(fake).notifyRegister(3)).toThrow(/queue 3 lies outside/);
  });

  it('reads the configuration again if it changed meanwhile', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    let reads = 0;
    const value = new ModernTransport(fake).readConfig(4, (registers, base) => {
      if (reads++ < 2) fake.generation++;
      return registers.read16(base);
    });
    expect(value).toBe(1);
    expect(reads).toBe(3);
  });

  it('does not wait forever for a configuration that keeps changing', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    const read = () => new ModernTransport(fake).readConfig(4, () => ++fake.generation);
    expect(read).toThrow(/keeps changing/);
  });

  it('refuses a configuration that is too short', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    fake.configView.setUint32(0x6c, 2, true);
    expect(() => new ModernTransport(fake).readConfig(4, () => 0)).toThrow(/no configuration of 4 bytes/);
    expect(DEVICE_OFFSET).toBeLessThan(BAR0_BYTES);
  });

  it('refuses a common structure that is too short', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    fake.configView.setUint32(0x4c, 40, true);
    expect(() => new ModernTransport(fake)).toThrow(/common structure has only 40 bytes/);
  });

  it('does not wait forever for a reset', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    const stuck = memoryRegisters(new DataView(new ArrayBuffer(BAR0_BYTES)));
    stuck.write8 = () => {};
    const device: PciDevice = Object.assign(Object.create(fake), {
      config: fake.config,
      barSize: () => BAR0_BYTES,
      bar: () => ({ ...stuck, read8: () => 1 }),
    });
    expect(() => new ModernTransport(device).reset()).toThrow(/does not complete its reset/);
  });

  it('refuses a vector that the device does not accept', () => {
    const fake = new FakeVhostPci({ features: VERSION_1 });
    const registers = fake.bar(0);
    const device: PciDevice = Object.assign(Object.create(fake), {
      config: fake.config,
      barSize: () => BAR0_BYTES,
      bar: () => ({
        ...registers,
        read16: (offset: number) => (offset === 0x10 || offset === 0x1a ? 0xffff : registers.read16(offset)),
      }),
    });
    const transport = new ModernTransport(device);
    expect(() => transport.configVector(0)).toThrow(/no interrupt vector for configuration changes/);
    expect(() => transport.setupQueue(0, 2, { desc: 0n, driver: 0n, device: 0n }, 1)).toThrow(/for queue 0/);
  });
});

describe('features', () => {
  it('have names', () => {
    expect(describeFeatures(features(15, 32, 99, 112))).toBe('MRG_RXBUF VERSION_1 bit_99 SESSION');
    expect(describeFeatures(0n)).toBe('none');
  });
});
