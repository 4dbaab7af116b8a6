// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { kindsOf, portsOfPmdGuests } from './chain.ts';
import { portsOfGuests } from './section-chain.ts';

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

  it('joins guests that all have this driver by RFC 2.1, a file for each direction', () => {
    const links = [
      ['0a', '0b'],
      ['1a', '1b'],
      ['2a', '2b'],
    ] as const;
    expect(portsOfGuests(links, 0)).toEqual([
      ...['net_ivshmem0,own=2b,peer=2a', 'net_ivshmem1,own=0a,peer=0b'],
      ...['net_ivshmem2,own=1b,peer=1a', 'net_ivshmem3,own=2a,peer=2b'],
    ]);
    expect(portsOfGuests(links, 1)).toEqual(['net_ivshmem0,own=0b,peer=0a', 'net_ivshmem1,own=1a,peer=1b']);
  });

  it('has device functions instead of the first guest when it is open', () => {
    const links = [
      ['0a', '0b'],
      ['1a', '1b'],
      ['2a', '2b'],
    ] as const;
    const ends = ['f0', 'f1'];
    expect(portsOfGuests(links, 0, ends)).toEqual([
      ...['net_ivshmem0,own=1b,peer=1a', 'net_vhost_pci1,path=f1'],
    ]);
    expect(portsOfGuests(links, 1, ends)).toEqual(['net_vhost_pci0,path=f0', 'net_ivshmem1,own=1a,peer=1b']);
  });
});
