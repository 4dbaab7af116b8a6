// SPDX-License-Identifier: BSD-3-Clause
// The layouts are defined twice, in src/abi and in addon/ring/layout.h; both must agree.
import { describe, expect, it } from 'vitest';
import { FIELD_BYTES, type Layout } from '../src/abi/layout.ts';
import * as pci from '../src/abi/pci.ts';
import * as vfioUser from '../src/abi/vfio-user.ts';
import * as vhostPci from '../src/abi/vhost-pci.ts';
import * as vhostUser from '../src/abi/vhost-user.ts';
import * as virtioNet from '../src/abi/virtio-net.ts';
import * as virtioPci from '../src/abi/virtio-pci.ts';
import * as virtioRing from '../src/abi/virtio-ring.ts';
import { native } from '../src/native.ts';

const isLayout = (value: unknown): value is Layout =>
  typeof value === 'object' && value !== null && 'fields' in value && 'size' in value;

const layouts: Layout[] = [pci, vfioUser, vhostPci, vhostUser, virtioNet, virtioPci, virtioRing]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(isLayout);

describe('src/abi', () => {
  it('has every layout of the addon with the same size and offsets', () => {
    const compiled = native.layouts();
    const written: Record<string, number> = {};
    for (const layout of layouts) {
      written[layout.name] = layout.size;
      for (const [name, field] of Object.entries(layout.fields))
        written[`${layout.name}.${name}`] = field.offset;
    }
    expect(Object.keys(compiled).length).toBeGreaterThan(20);
    for (const [name, value] of Object.entries(compiled))
      expect({ [name]: written[name] }).toEqual({ [name]: value });
  });

  it.each(layouts.map((layout) => [layout.name, layout] as const))(
    '%s: fields lie inside, aligned and apart',
    (_, layout) => {
      const taken = new Set<number>();
      for (const [name, field] of Object.entries(layout.fields)) {
        const bytes = FIELD_BYTES[field.type];
        expect(field.offset + bytes, name).toBeLessThanOrEqual(layout.size);
        expect(field.offset % bytes, name).toBe(0);
        for (let i = field.offset; i < field.offset + bytes; i++) {
          expect(taken.has(i), `${name} overlaps`).toBe(false);
          taken.add(i);
        }
      }
    },
  );
});
