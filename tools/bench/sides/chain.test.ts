// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { kindsOf, portsOfPmdGuests } from './chain.ts';

describe('a ring of guests over vhost-pci links', () => {
  it('has guests with virtio-net and with this driver in turns', () => {
    expect(kindsOf(4)).toEqual({ virtio: 2, pmd: 2 });
    expect(portsOfPmdGuests(['f0', 'f1', 'f2', 'f3'], undefined)).toEqual([
      ...['net_vhost_pci1,path=f1', 'net_vhost_pci2,path=f2'],
      ...['net_vhost_pci3,path=f3', 'net_vhost_pci0,path=f0'],
    ]);
  });

  it('joins two neighbours with this driver by RFC 2.1 if the number is odd', () => {
    expect(kindsOf(3)).toEqual({ virtio: 1, pmd: 2 });
    expect(portsOfPmdGuests(['f0', 'f1'], ['a', 'b'])).toEqual([
      ...['net_vhost_pci1,path=f1', 'net_ivshmem0,own=a,peer=b'],
      ...['net_ivshmem1,own=b,peer=a', 'net_vhost_pci0,path=f0'],
    ]);
  });
});
