// SPDX-License-Identifier: BSD-3-Clause
// Compares these tables with the kernel's own header.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VFIO_STRUCTS } from '../bus/vfio-calls.ts';
import type { Layout } from './layout.ts';
import * as vfio from './vfio.ts';
import * as vfioUser from './vfio-user.ts';

const layouts: Readonly<Record<string, Layout>> = {
  vfio_group_status: vfio.VFIO_GROUP_STATUS,
  vfio_device_info: vfioUser.VFIO_DEVICE_INFO,
  vfio_region_info: vfioUser.VFIO_REGION_INFO,
  vfio_irq_info: vfioUser.VFIO_IRQ_INFO,
  vfio_irq_set: vfioUser.VFIO_IRQ_SET,
  vfio_iommu_type1_dma_map: vfio.VFIO_IOMMU_TYPE1_DMA_MAP,
  vfio_iommu_type1_dma_unmap: vfio.VFIO_IOMMU_TYPE1_DMA_UNMAP,
};

const constants: Readonly<Record<string, number>> = {
  ...vfio.VFIO_IOCTL,
  VFIO_API_VERSION: vfio.VFIO_API_VERSION,
  VFIO_TYPE1v2_IOMMU: vfio.VFIO_TYPE1v2_IOMMU,
  VFIO_NOIOMMU_IOMMU: vfio.VFIO_NOIOMMU_IOMMU,
  VFIO_GROUP_FLAGS_VIABLE: vfio.VFIO_GROUP_FLAGS_VIABLE,
  VFIO_REGION_INFO_FLAG_MMAP: vfioUser.VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_CAPS: vfioUser.VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_IRQ_SET_DATA_EVENTFD: vfioUser.VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_ACTION_TRIGGER: vfioUser.VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_PCI_CONFIG_REGION_INDEX: vfioUser.VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX: vfioUser.VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX: vfioUser.VFIO_PCI_REQ_IRQ_INDEX,
};

/** The values that the compiler derives from linux/vfio.h. */
function compiled(): Record<string, number> {
  const offsets = Object.entries(layouts).flatMap(([struct, { fields }]) =>
    Object.keys(fields).map((field) => `{"${struct}.${field}", offsetof(struct ${struct}, ${field})},`),
  );
  const sizes = Object.keys(layouts).map((struct) => `{"${struct}", sizeof(struct ${struct})},`);
  const values = Object.keys(constants).map((name) => `{"${name}", ${name}},`);
  const program = `#include <linux/vfio.h>
#include <stddef.h>
#include <stdio.h>
int main() {
  const struct { const char* name; long value; } rows[] = {${[...sizes, ...offsets, ...values].join('\n')}};
  for (const auto& row : rows) printf("%s %ld\\n", row.name, row.value);
}`;
  const folder = mkdtempSync(join(tmpdir(), 'vpci-vfio-'));
  try {
    writeFileSync(join(folder, 'print.cc'), program);
    execFileSync('g++', ['-w', '-o', join(folder, 'print'), join(folder, 'print.cc')]);
    const lines = execFileSync(join(folder, 'print'), { encoding: 'utf8' }).trim().split('\n');
    return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the tables of VFIO', () => {
  it('match linux/vfio.h', () => {
    const written: Record<string, number> = { ...constants };
    for (const [struct, { size, fields }] of Object.entries(layouts)) {
      written[struct] = size;
      for (const [field, { offset }] of Object.entries(fields)) written[`${struct}.${field}`] = offset;
    }
    const real = compiled();
    // Newer kernels have appended capabilities to this one; argsz determines the form.
    expect(real.vfio_device_info).toBeGreaterThanOrEqual(written.vfio_device_info as number);
    expect({ ...written, vfio_device_info: 0 }).toEqual({ ...real, vfio_device_info: 0 });
  });

  it.each(Object.entries(VFIO_STRUCTS))('match the structures for ioctls: %s', (name, struct) => {
    const { size, fields } = layouts[name] as Layout;
    expect(struct.size).toBe(size);
    const offsets = Object.keys(fields).map((field) => [field, struct.offsetOf(field as never)]);
    expect(offsets).toEqual(Object.entries(fields).map(([field, { offset }]) => [field, offset]));
  });
});
