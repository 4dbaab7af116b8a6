// SPDX-License-Identifier: BSD-3-Clause
// The interfaces that carry the machine's own network: those with routes.
import { join } from 'node:path';
import { readText } from '../../src/pci/sysfs.ts';
import type { Places } from './places.ts';

export interface Routes {
  /** Interfaces with an IPv4 route that is not link-local; DPDK calls these active. */
  readonly active: ReadonlySet<string>;
  /**
   * The active interfaces, plus those with an IPv6 route that is not link-local, or a route of either kind
   * in another table than the main one.
   */
  readonly carrying: ReadonlySet<string>;
}

const LINK_LOCAL_4 = 'FEA9';
const RTF_LOCAL = 0x8000_0000;

export function readRoutes(places: Places): Routes {
  const active = new Set(ipv4Interfaces(readText(join(places.procNet, 'route'))));
  const carrying = new Set([
    ...active,
    ...ipv6Interfaces(readText(join(places.procNet, 'ipv6_route'))),
    ...policyInterfaces(places.allRoutes()),
  ]);
  return { active, carrying };
}

/**
 * Columns: Iface Destination …; addresses as little-endian hexadecimal numbers, so that 169.254/16 ends in
 * FEA9.
 */
function ipv4Interfaces(text: string): string[] {
  return rows(text)
    .slice(1)
    .filter(([, destination = '']) => !destination.endsWith(LINK_LOCAL_4))
    .map(([name = '']) => name);
}

/** Columns: destination, its length, …, flags, interface. */
function ipv6Interfaces(text: string): string[] {
  return rows(text)
    .filter(([destination = '', , , , , , , , flags = '', name]) => {
      const local = (Number.parseInt(flags, 16) & RTF_LOCAL) !== 0;
      return name !== 'lo' && !local && !/^(fe[89ab]|ff)/.test(destination);
    })
    .map((columns) => columns[9] ?? '');
}

/** `[TYPE] DESTINATION … dev NAME … [table N]`: routes to others, whatever their table. */
function policyInterfaces(text: string): string[] {
  return rows(text)
    .filter(([first = '', second = '']) => {
      const unicast = !/^(local|broadcast|multicast|anycast|unreachable|blackhole|prohibit|throw)$/.test(
        first,
      );
      const destination = first === 'unicast' ? second : first;
      return unicast && !/^(169\.254\.|fe[89ab]|ff)/.test(destination);
    })
    .flatMap((words) => {
      const devices = words.flatMap((word, i) => (words[i - 1] === 'dev' ? [word] : []));
      return devices.filter((name) => name !== 'lo');
    });
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.trim().split(/\s+/));
}
