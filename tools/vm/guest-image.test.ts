// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { loadOrder, parseModulesDep } from './guest-image.ts';

const DEP = `kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
`;

describe('modules of the first stage', () => {
  const order = (...names: string[]) =>
    loadOrder(names, parseModulesDep(DEP)).map((path) => path.replace(/.*\//, ''));

  it('load after their dependencies, each once', () => {
    expect(order('virtio_blk', 'virtio_pci')).toEqual([
      'virtio_ring.ko.xz',
      'virtio.ko.xz',
      'virtio_blk.ko.xz',
      'virtio-pci.ko.xz',
    ]);
  });

  it('are left out when they are built in', () => {
    expect(order('squashfs')).toEqual([]);
  });
});
