// SPDX-License-Identifier: BSD-3-Clause
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vhostPciDriver } from './driver.ts';

describe('devargs of net_vhost_pci', () => {
  const probe = (args: Record<string, string>) => () =>
    vhostPciDriver.probe(0, 'net_vhost_pci0', new Map(Object.entries(args)));
  const path = join(tmpdir(), 'there-is-no-such.sock');

  it.each([
    [{}, /needs path=/],
    [
      { path: `/${'a'.repeat(107)}` },
      /path=\/a+: the path of a socket has at most 107 bytes, and this one has 108$/,
    ],
    // The limit is of bytes, not of characters.
    [{ path: `/${'ä'.repeat(53)}x` }, /at most 107 bytes, and this one has 108$/],
    [{ path: `/${'ä'.repeat(53)}` }, /no such socket/],
    [{ path, queues: '0' }, /queues=0 is not a positive number/],
    [{ path, queues: 'two' }, /queues=two/],
    [{ path, mac: '01:00:00:00:00:00' }, /mac=01:00:00:00:00:00 is not a unicast/],
    [{ path, mac: '2:0:0:0:0:1' }, /mac=2:0/],
    [{ path, 'max-peer-memory': '8X' }, /max-peer-memory=8X is not a size such as 512M or 8G/],
    [{ path, mem: 'file' }, /mem=file is not PATH@OFFSET/],
    [{ path, mem: '/no/such/file@0x1000' }, /map the peer's memory from \/no\/such\/file@4096: ENOENT/],
    [{ path }, /no such socket; is vhost-pci-device running\?/],
  ])('are refused: %j', (args, expected) => {
    expect(probe(args as Record<string, string>)).toThrow(expected);
  });

  it('do not allow a socket together with a PCI address', () => {
    const at = (args: Map<string, string>) => () => vhostPciDriver.probe(0, '0000:00:04.0', args);
    expect(at(new Map([['path', path]]))).toThrow(/path= is for --vdev net_vhost_pci<N>/);
  });

  it('have these keys', () => {
    expect(vhostPciDriver.keys).toEqual([
      'path',
      'queues',
      'mac',
      'mem',
      'csum',
      'tso',
      'max-peer-memory',
      'minimum',
    ]);
  });
});
