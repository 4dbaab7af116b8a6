// SPDX-License-Identifier: BSD-3-Clause
// The addresses of a far end that answers: those that a user names, and where they are said to be.
import type { PortInfo } from '../../src/ethdev/port.ts';
import { macBytes } from '../../src/packet/mac.ts';
import type { HostAddresses } from './engine/responder.ts';
import { IPV4_ADDRESS, IPV6_ADDRESS } from './plan/fields.ts';

/** "10.0.0.2", "fd00::2" or "10.0.0.2,fd00::2". Throws an Error with one line. */
export function parseHost(text: string): Pick<HostAddresses, 'ipv4' | 'ipv6'> {
  const host: { ipv4: readonly number[]; ipv6: readonly number[] } = { ipv4: [], ipv6: [] };
  for (const one of text.split(',')) {
    const address = one.trim();
    const ipv4 = IPV4_ADDRESS.bytes(address);
    const bytes = ipv4 ?? IPV6_ADDRESS.bytes(address);
    if (bytes === undefined) throw new Error(`: '${address}' is no address such as 10.0.0.2 or fd00::2`);
    const [first = 0] = bytes;
    if (bytes.every((byte) => byte === 0) || (ipv4 ? first >= 224 : first === 0xff))
      throw new Error(`: ${address} is not the address of one host`);
    const family = ipv4 ? 'ipv4' : 'ipv6';
    if (host[family].length > 0) throw new Error(': there is one IPv4 and one IPv6 address at most');
    host[family] = [...bytes];
  }
  return host;
}

/**
 * The MAC address in answers. A tap's own is its kernel's, at the near end: a bridge there would take answers
 * with it for its own frames.
 */
export function answeringMac({ driver, mac }: PortInfo): readonly number[] {
  const [first = 0, ...others] = macBytes(mac);
  if (driver !== 'net_tap') return [first, ...others];
  return [first | 2, ...others.slice(0, -1), (others.at(-1) as number) ^ 1];
}
