// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { DEVICE_OFFSET } from '../../test/support/config-space.ts';
import {
  FakeVhostPci,
  NET_FEATURES,
  NONSENSE,
  queueStop,
  SESSION_FEATURES,
} from '../../test/support/fake-vhost-pci.ts';
import { until } from '../../test/support/wait.ts';
import { VHOST_PCI_F_SESSION } from '../abi/vhost-pci.ts';
import { VIRTIO_NET_F_MRG_RXBUF } from '../abi/virtio-net.ts';
import { features } from '../virtio/features.ts';
import { NO_EVENTS, useRig } from './device.test-help.ts';
import { VhostPciDevice } from './device.ts';

describe('a vhost-pci function', () => {
  const rig = useRig();

  describe('probe', () => {
    it('sets up the queues and is live', () => {
      rig.open({ queuePairs: 2 });
      expect(rig.fake.status).toBe(1 | 2 | 4 | 8);
      expect(rig.fake.driverFeatures).toBe(NET_FEATURES | SESSION_FEATURES);
      expect(rig.fake.queues.map(({ size, vector, enabled }) => [size, vector, enabled])).toEqual([
        [256, 2, 1],
        [256, 3, 1],
        [256, 4, 1],
        [256, 5, 1],
        [32, 1, 1],
      ]);
      expect(rig.fake.control.pending).toBe(24);
      expect(rig.fake.notified).toEqual([4]);
      expect(rig.device.linkUp).toBe(false);
    });

    it('does not request REMAP on a bus that cannot remap', () => {
      rig.open({ canRemap: false });
      expect(rig.fake.driverFeatures).toBe(NET_FEATURES | features(VHOST_PCI_F_SESSION));
    });

    it('names the ids of another function', () => {
      rig.open();
      const other = new FakeVhostPci({ features: NET_FEATURES });
      other.configView.setUint16(2, 0x1041, true);
      expect(() => new VhostPciDevice(other, NO_EVENTS)).toThrow(
        expect.objectContaining({
          code: 'VPCI_WRONG_DEVICE',
          message: expect.stringContaining('1af4:1041 class 020000'),
        }),
      );
      expect(other.closed).toBe(true);
    });

    it('releases the function if it lacks what is needed', () => {
      rig.open();
      const legacy = new FakeVhostPci({ features: features(VIRTIO_NET_F_MRG_RXBUF) });
      expect(() => new VhostPciDevice(legacy, NO_EVENTS)).toThrow(/lacks features/);
      expect(legacy.closed).toBe(true);
      const strange = new FakeVhostPci({ features: NET_FEATURES, queueSize: 3 });
      expect(() => new VhostPciDevice(strange, NO_EVENTS)).toThrow(/offers 3 entries for queue 0/);
      expect(strange.closed).toBe(true);
    });
  });

  describe('trouble', () => {
    it('resets the device on its request, and starts a new session', () => {
      rig.open();
      rig.connect();
      const old = rig.fake.control;
      rig.fake.demandReset();
      expect(rig.device.resets).toBe(1);
      expect(rig.links).toEqual([true, false]);
      expect(rig.fake.status).toBe(1 | 2 | 4 | 8);
      expect(rig.fake.control).not.toBe(old);
      expect([rig.state('rx'), rig.device.remoteBytes]).toEqual(['stopped', 0n]);
      rig.fake.linkUp = false;
      rig.connect();
      expect(rig.state('rx')).toBe('running');
    });

    it('resets a device that breaks the control ring', async () => {
      rig.open();
      rig.fake.control.give(31, 0xffff_ffff);
      rig.fake.raise(1);
      await until('the device is reset', () => rig.device.resets === 1);
      expect(rig.reports[0]).toMatch(/violated the rules of a local ring/);
      rig.connect();
      expect(rig.state('rx')).toBe('running');
    });

    it('gives up on a device that keeps requesting resets', () => {
      rig.open();
      for (let time = 0; time < 20; time++) rig.fake.demandReset();
      expect(rig.device.state).toBe('failed');
      expect(rig.device.resets).toBe(9);
      expect(rig.reports.at(-1)).toMatch(/keeps requesting resets/);
    });

    it('is failed if the reset fails', () => {
      rig.open();
      rig.fake.offered = 0n;
      rig.fake.demandReset();
      expect(rig.device.state).toBe('failed');
      expect(rig.reports).toEqual([
        expect.stringMatching(/^Failed to reset the device fake: .* lacks features/),
      ]);
    });

    it('stops when the device is gone, and reports it once', () => {
      rig.open();
      rig.connect();
      rig.fake.remove('the connection was closed');
      rig.fake.remove('again');
      expect([rig.device.state, rig.removals, rig.device.linkUp]).toEqual(['removed', 1, false]);
      expect(rig.links).toEqual([true, false]);
      expect([rig.state('rx'), rig.state('tx')]).toEqual(['stopped', 'stopped']);
      expect(rig.reports).toEqual(['The device fake is gone: the connection was closed']);
      expect(rig.receive()).toBe(0);
    });

    it('reports errors of an application that closes it on a link change', () => {
      rig.open();
      rig.connect();
      rig.onLink = () => {
        rig.device.close();
        throw new Error('the application is at fault');
      };
      rig.fake.setLink(false);
      expect([rig.device.state, rig.reports]).toEqual(['closed', ['the application is at fault']]);
    });

    it.each([
      ['all its registers', 0],
      ['only its configuration', DEVICE_OFFSET],
    ])('regression: considers a device gone if %s read as all ones, and reports nothing else', (_, from) => {
      rig.open();
      rig.connect();
      rig.fake.vanish(from);
      rig.fake.raise(0);
      rig.fake.raise(0);
      expect(rig.reports).toEqual(['The device fake is gone: it no longer responds']);
      expect([rig.device.state, rig.removals, rig.device.linkUp]).toEqual(['removed', 1, false]);
    });

    it('regression: survives a device that refuses a notification while it floods the control queue', async () => {
      rig.open({ queueSize: 2 });
      await new Promise((resolve) => setImmediate(resolve));
      let sent = 0;
      const sendOne = () => {
        sent++;
        const chain = rig.fake.nextBuffer();
        chain.segments[0]?.bytes.set(NONSENSE);
        rig.fake.control.give(chain.head, 4);
      };
      let rings = 0;
      rig.fake.notified.push = () => {
        rings++;
        if (rings > 1) throw new Error('EIO');
        return rings;
      };
      const push = rig.reports.push.bind(rig.reports);
      rig.reports.push = (line) => {
        if (sent < 3) sendOne();
        return push(line);
      };
      sendOne();
      rig.fake.raise(1);
      await until('the refusal is reported', () => rig.reports.includes('EIO'));
      expect([rig.device.state, rig.device.invalidMessages]).toEqual(['live', 3]);
    });

    it('regression: resets a device that requests replies but accepts none', async () => {
      rig.open();
      const { control } = rig.fake;
      const give = control.give.bind(control);
      control.give = (head, written) => {
        if (written > 0) give(head, written);
      };
      for (let token = 0; rig.reports.length === 0 && token < 3000; token++)
        rig.fake.send(queueStop(0, token));
      await until('it is reset', () => rig.device.resets === 1);
      expect(rig.reports).toEqual([expect.stringMatching(/requests replies but accepts none/)]);
      expect(rig.device.state).toBe('live');
    });

    it('regression: stays closed if the application closes it on link down', () => {
      rig.open();
      rig.connect();
      rig.onLink = () => rig.device.close();
      rig.fake.demandReset();
      expect([rig.device.state, rig.reports]).toEqual(['closed', []]);
    });
  });
});
