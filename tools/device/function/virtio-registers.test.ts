// SPDX-License-Identifier: BSD-3-Clause
import { beforeEach, describe, expect, it } from 'vitest';
import { FIELD_BYTES, readField } from '../../../src/abi/layout.ts';
import { VHOST_PCI_F_SESSION } from '../../../src/abi/vhost-pci.ts';
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_MRG_RXBUF } from '../../../src/abi/virtio-net.ts';
import { VIRTIO_PCI_COMMON_CFG } from '../../../src/abi/virtio-pci.ts';
import { VIRTIO_F_VERSION_1 } from '../../../src/abi/virtio-ring.ts';
import { features } from '../../../src/virtio/features.ts';
import { VERSION_1 } from './features.ts';
import { VirtioRegisters } from './virtio-registers.ts';

const FIELDS = VIRTIO_PCI_COMMON_CFG.fields;
type Name = keyof typeof FIELDS;
const OFFERED = features(VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF, VHOST_PCI_F_SESSION);

let events: string[];
let accepts: boolean;
let fn: VirtioRegisters;

beforeEach(() => {
  events = [];
  accepts = true;
  fn = new VirtioRegisters(1, 4, {
    offeredFeatures: () => OFFERED,
    acceptFeatures: () => accepts,
    driverOk: () => events.push('ok'),
    queueEnabled: (queue) => events.push(`enabled ${queue}`),
    driverGone: () => events.push('gone'),
    notified: (queue) => events.push(`notified ${queue}`),
    raise: (vector) => events.push(`raise ${vector}`),
  });
});

const get = (name: Name) => {
  const { offset, type } = FIELDS[name];
  const bytes = fn.read(offset, FIELD_BYTES[type]);
  return readField(new DataView(bytes.buffer), { offset: 0, type });
};
const set = (name: Name, value: number | bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  fn.write(FIELDS[name].offset, bytes.slice(0, FIELD_BYTES[FIELDS[name].type]));
};
const accept = (features: bigint) => {
  set('device_status', 1);
  set('device_status', 3);
  for (let word = 0; word < 4; word++) {
    set('driver_feature_select', word);
    set('driver_feature', (features >> BigInt(32 * word)) & 0xffff_ffffn);
  }
  set('device_status', 11);
};
const addresses = () => {
  set('queue_desc', 0x1000n);
  set('queue_driver', 0x2000n);
  set('queue_device', 0x3000n);
};

describe('features', () => {
  it('shows the offered bits by word, and none beyond', () => {
    const words = [0, 1, 2, 3, 4, 0xffff_ffff].map((select) => {
      set('device_feature_select', select);
      return get('device_feature');
    });
    expect(words).toEqual([0x8000, 1, 0, 0x10000, 0, 0]);
  });

  it('keeps FEATURES_OK for a valid choice', () => {
    accept(VERSION_1 | features(VHOST_PCI_F_SESSION));
    expect(get('device_status')).toBe(11);
    expect(fn.driverFeatures).toBe(VERSION_1 | features(VHOST_PCI_F_SESSION));
  });

  it.each([
    ['VERSION_1 is missing', features(VIRTIO_NET_F_MRG_RXBUF)],
    ['a bit was not offered', VERSION_1 | features(VIRTIO_NET_F_CSUM)],
  ])('clears FEATURES_OK when %s', (_, choice) => {
    accept(choice);
    expect(get('device_status')).toBe(3);
  });

  it('clears FEATURES_OK when the device refuses', () => {
    accepts = false;
    accept(VERSION_1);
    expect(get('device_status')).toBe(3);
  });

  it('are fixed by FEATURES_OK', () => {
    accept(VERSION_1);
    set('driver_feature_select', 0);
    set('driver_feature', 0x8000);
    expect(fn.driverFeatures).toBe(VERSION_1);
  });
});

describe('status', () => {
  it('does not accept DRIVER_OK before FEATURES_OK', () => {
    set('device_status', 7);
    expect(get('device_status')).toBe(3);
    expect(events).toEqual([]);
  });

  it('reports DRIVER_OK once', () => {
    accept(VERSION_1);
    set('device_status', 15);
    set('device_status', 15);
    expect(events).toEqual(['ok']);
    expect(fn.driverReady).toBe(true);
  });

  it('clears bits only all at once', () => {
    accept(VERSION_1);
    set('device_status', 1);
    expect(get('device_status')).toBe(11);
    set('device_status', 0);
    expect(get('device_status')).toBe(0);
    expect(events).toEqual(['gone']);
  });

  it('reports FAILED, and does not accept DRIVER_OK after it', () => {
    accept(VERSION_1);
    set('device_status', 128 | 11);
    set('device_status', 128 | 15);
    expect(events).toEqual(['gone']);
  });

  it('keeps NEEDS_RESET until a reset, with a configuration interrupt', () => {
    accept(VERSION_1);
    set('config_msix_vector', 0);
    set('device_status', 15);
    fn.needsReset();
    expect(get('device_status')).toBe(79);
    expect(fn.driverReady).toBe(false);
    set('device_status', 64);
    expect(events).toEqual(['ok', 'raise 0']);
    set('device_status', 0);
    expect(get('device_status')).toBe(0);
  });
});

describe('queues', () => {
  it('are two data queues of 256 entries and a control queue of 32; others do not exist', () => {
    expect(get('num_queues')).toBe(3);
    const sizes = [0, 1, 2, 3, 0xffff].map((queue) => {
      set('queue_select', queue);
      return [get('queue_size'), get('queue_notify_off')];
    });
    expect(sizes).toEqual([
      [256, 0],
      [256, 1],
      [32, 2],
      [0, 0],
      [0, 0],
    ]);
    set('queue_size', 16);
    set('queue_enable', 1);
    expect(get('queue_enable')).toBe(0);
  });

  it('accept only smaller powers of two as size', () => {
    set('queue_select', 2);
    for (const size of [0, 3, 24, 64, 0x8000]) set('queue_size', size);
    expect(get('queue_size')).toBe(32);
    set('queue_size', 16);
    expect(get('queue_size')).toBe(16);
  });

  it('are enabled only with features and all addresses', () => {
    set('queue_select', 2);
    addresses();
    set('queue_enable', 1);
    expect(get('queue_enable')).toBe(0);
    accept(VERSION_1);
    set('queue_select', 1);
    set('queue_desc', 0x1000n);
    set('queue_driver', 0x1000n);
    set('queue_enable', 1);
    expect(get('queue_enable')).toBe(0);
    set('queue_select', 2);
    set('queue_enable', 1);
    set('queue_enable', 1);
    expect(events).toEqual(['enabled 2']);
  });

  it('keep their addresses once enabled', () => {
    accept(VERSION_1);
    addresses();
    set('queue_enable', 1);
    set('queue_desc', 0x9000n);
    set('queue_size', 16);
    set('queue_enable', 0);
    expect([get('queue_desc'), get('queue_size'), get('queue_enable')]).toEqual([0x1000n, 256, 1]);
  });

  it('accept addresses in halves, in any order', () => {
    fn.write(FIELDS.queue_desc.offset + 4, Uint8Array.of(1, 0, 0, 0));
    fn.write(FIELDS.queue_desc.offset, Uint8Array.of(0, 0x10, 0, 0));
    expect(get('queue_desc')).toBe(0x1_0000_1000n);
  });

  it('read back NO_VECTOR for a vector that does not exist', () => {
    set('queue_msix_vector', 3);
    expect(get('queue_msix_vector')).toBe(3);
    set('queue_msix_vector', 4);
    expect(get('queue_msix_vector')).toBe(0xffff);
    set('config_msix_vector', 4);
    expect(get('config_msix_vector')).toBe(0xffff);
  });

  it('forward notifications of any width for queues that exist', () => {
    fn.write(0x3004, Uint8Array.of(1, 0));
    fn.write(0x3008, Uint8Array.of(2, 0, 0, 0));
    fn.write(0x300c, Uint8Array.of(3, 0));
    fn.write(0x3002, Uint8Array.of(3, 0));
    expect(events).toEqual(['notified 1', 'notified 2']);
  });
});

describe('configuration and interrupts', () => {
  it('shows pairs and link, and counts config generations', () => {
    expect([...fn.read(0x2000, 4)]).toEqual([1, 0, 0, 0]);
    const before = get('config_generation');
    fn.setLink(true);
    fn.setLink(true);
    expect([...fn.read(0x2000, 4)]).toEqual([1, 0, 1, 0]);
    expect(get('config_generation')).toBe(Number(before) + 1);
  });

  it('raises no interrupt before DRIVER_OK or without a vector', () => {
    fn.setLink(true);
    accept(VERSION_1);
    set('device_status', 15);
    fn.setLink(false);
    fn.interruptQueue(2);
    expect(events).toEqual(['ok']);
  });

  it('raises the vector that the driver chose, and shows the cause in the ISR until it is read', () => {
    accept(VERSION_1);
    set('config_msix_vector', 1);
    set('queue_select', 2);
    set('queue_msix_vector', 3);
    set('device_status', 15);
    fn.interruptQueue(2);
    fn.setLink(true);
    expect(events).toEqual(['ok', 'raise 3', 'raise 1']);
    expect([...fn.read(0x1000, 1)]).toEqual([3]);
    expect([...fn.read(0x1000, 1)]).toEqual([0]);
  });

  it('ignores writes outside of registers', () => {
    fn.write(0x01, Uint8Array.of(1));
    fn.write(FIELDS.device_status.offset, Uint8Array.of(1, 0));
    fn.write(FIELDS.num_queues.offset, Uint8Array.of(9, 0));
    fn.write(0x1000, Uint8Array.of(1));
    fn.write(0x2000, Uint8Array.of(1));
    fn.write(0xfff, Uint8Array.of(1));
    expect([get('device_status'), get('num_queues')]).toEqual([0, 3]);
  });

  it('reads zeros outside of registers', () => {
    expect([...fn.read(0x800, 4)]).toEqual([0, 0, 0, 0]);
    expect([...fn.read(0x3000, 4)]).toEqual([0, 0, 0, 0]);
    expect([...fn.read(0x1ffc, 4)]).toEqual([0, 0, 0, 0]);
  });
});
