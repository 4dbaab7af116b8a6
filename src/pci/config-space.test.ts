// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import {
  memoryRegisters,
  vhostPciConfigSpace,
  writeVirtioCapability,
} from '../../test/support/config-space.ts';
import { findVirtioStructures } from '../virtio/capabilities.ts';
import { describeIdentity, enableBusMaster, listCapabilities, readIdentity } from './config-space.ts';
import { readMsix } from './msix.ts';

const barSize = (bar: number) => (bar < 2 ? 0x4000 : 0);
const space = (change: (view: DataView) => void = () => {}) => {
  const view = vhostPciConfigSpace(4);
  change(view);
  return memoryRegisters(view);
};
const structures = (change: (view: DataView) => void) => {
  const config = space(change);
  return findVirtioStructures(config, listCapabilities(config), barSize);
};

describe('configuration space', () => {
  it('reads the identity of the function', () => {
    const identity = readIdentity(space());
    expect(identity).toMatchObject({ vendor: 0x1af4, device: 0x1014, subsystem: 21, classCode: 0x020000 });
    expect(describeIdentity(identity)).toBe('1af4:1014 class 020000');
  });

  it('keeps other bits of the command register when memory and bus mastering are enabled', () => {
    const config = space((view) => view.setUint16(4, 0x400, true));
    enableBusMaster(config);
    expect(config.read16(4)).toBe(0x406);
  });

  it('lists capabilities in list order', () => {
    expect(listCapabilities(space()).map(({ offset }) => offset)).toEqual([0x40, 0x50, 0x60, 0x70, 0x88]);
  });

  it('has no capabilities without the status bit', () => {
    expect(listCapabilities(space((view) => view.setUint16(6, 0, true)))).toEqual([]);
  });

  it('masks the reserved bits of pointers', () => {
    expect(listCapabilities(space((view) => view.setUint8(0x34, 0x43)))).toHaveLength(5);
  });

  it('refuses a list that has a loop', () => {
    expect(() => listCapabilities(space((view) => view.setUint8(0x89, 0x40)))).toThrow(/loop/);
    expect(() => listCapabilities(space((view) => view.setUint8(0x41, 0x40)))).toThrow(/loop/);
  });

  it('refuses a list that points into the header', () => {
    expect(() => listCapabilities(space((view) => view.setUint8(0x89, 0x3c)))).toThrow(/header/);
  });
});

describe('virtio structures', () => {
  it('are found with their notify multiplier', () => {
    const found = structures(() => {});
    expect(found.common).toMatchObject({ bar: 0, offset: 0, length: 0x1000 });
    expect(found.notify).toMatchObject({ bar: 0, offset: 0x3000, multiplier: 4 });
    expect(found.device).toMatchObject({ offset: 0x2000 });
  });

  it('are those of the first capability of a type', () => {
    const found = structures((view) => {
      view.setUint8(0x89, 0xa0);
      writeVirtioCapability(view, 0xa0, 0, 1, 0x1000, 0x1000);
    });
    expect(found.common.offset).toBe(0);
  });

  it('ignore a reserved BAR number', () => {
    expect(() => structures((view) => view.setUint8(0x44, 6))).toThrow(/no virtio common structure/);
  });

  it('ignore a capability that is too short', () => {
    expect(() => structures((view) => view.setUint8(0x52, 15))).toThrow(/no virtio ISR structure/);
  });

  it.each([
    ['offset', 0x48, 0x3001],
    ['length', 0x4c, 0x4001],
    ['length 0', 0x4c, 0],
    ['offset that wraps', 0x48, 0xffff_ffff],
  ])('refuse a place outside of the BAR: %s', (_, field, value) => {
    expect(() => structures((view) => view.setUint32(field, value, true))).toThrow(/outside BAR 0/);
  });

  it('refuse a BAR that the device lacks', () => {
    expect(() => structures((view) => view.setUint8(0x44, 3))).toThrow(/outside BAR 3 \(0 bytes\)/);
  });

  it('refuse a notification capability without a multiplier', () => {
    expect(() => structures((view) => view.setUint8(0x72, 16))).toThrow(
      /notification capability is too short/,
    );
  });

  it('may lack a device structure', () => {
    expect(structures((view) => view.setUint8(0x63, 200)).device).toBeNull();
  });

  it('ignore a capability that exceeds configuration space', () => {
    const found = structures((view) => {
      view.setUint8(0x89, 0xf8);
      view.setUint8(0xf8, 9);
      view.setUint8(0xf9, 0);
    });
    expect(found.common.offset).toBe(0);
  });
});

describe('MSI-X', () => {
  const msix = (change: (view: DataView) => void) => {
    const config = space(change);
    return readMsix(config, listCapabilities(config), barSize);
  };

  it('reads the number of vectors and the location of the table', () => {
    expect(msix(() => {})).toEqual({ vectors: 4, tableBar: 1, tableOffset: 0 });
  });

  it('is null if there is none', () => {
    expect(msix((view) => view.setUint8(0x88, 5))).toBeNull();
  });

  it('refuses a table outside its BAR', () => {
    expect(() => msix((view) => view.setUint16(0x8a, 0x7ff, true))).toThrow(/outside BAR 1/);
    expect(() => msix((view) => view.setUint32(0x8c, 7, true))).toThrow(/outside BAR 7/);
  });
});
