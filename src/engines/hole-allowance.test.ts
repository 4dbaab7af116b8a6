// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type MappingHandle, native } from '../native.ts';
import { HoleAllowances, PeerMemoryLimit } from './hole-allowance.ts';

const GIB = 2 ** 30;

describe('the cost of peers', () => {
  it('is all of a file that fits, half of the rest for one that does not, and never more than three quarters', () => {
    const allowances = new HoleAllowances(() => 16 * GIB);
    expect(allowances.take(8 * GIB).bytes).toBe(8 * GIB);
    const [second, third] = [allowances.take(1024 * GIB), allowances.take(1024 * GIB)];
    expect([second.bytes, third.bytes]).toEqual([2 * GIB, GIB]);
    allowances.giveBack(second);
    expect(allowances.take(3 * GIB).bytes).toBe(3 * GIB);
    let total = 8 + 1 + 3;
    for (let i = 0; i < 100; i++) total += allowances.take(1024 * GIB).bytes / GIB;
    expect(total).toBeLessThanOrEqual(12);
  });
});

describe('the limit of a device', () => {
  const withSparse = (bytes: number, use: (mapping: MappingHandle) => void) => {
    const fd = native.memfdCreate('sparse', bytes, false);
    const mapping = native.mapFd(fd, 0, bytes, true);
    try {
      use(mapping);
    } finally {
      native.unmap(mapping);
      native.close(fd);
    }
  };

  it('set by the user accepts all memory up to it and refuses more, naming the option', () => {
    withSparse(2 ** 40, (mapping) => {
      expect(() => new PeerMemoryLimit('net_vhost_pci0', 2 ** 40).admit(mapping, 2 ** 40)).not.toThrow();
      expect(() => new PeerMemoryLimit('net_vhost_pci0', 8 * GIB).admit(mapping, 2 ** 40)).toThrow(
        expect.objectContaining({
          code: 'VPCI_BAD_MEMORY',
          message:
            "net_vhost_pci0: the peer's memory is 1T, more than max-peer-memory=8G; " +
            'give the device max-peer-memory=1T if you trust the peer with that',
        }),
      );
    });
  });

  it('releases the allowance of a mapping with it', () => {
    for (let i = 0; i < 50; i++) {
      withSparse(2 ** 40, (mapping) => {
        const limit = new PeerMemoryLimit('net_vhost_pci0', null);
        limit.admit(mapping, 2 ** 40);
        expect(limit.exceeded(mapping)).not.toContain('(0)');
        limit.release(mapping);
      });
    }
  });
});
