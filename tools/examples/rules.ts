// SPDX-License-Identifier: BSD-3-Clause
// Rules of a packet filter by protocol, addresses and ports: as text, and as numbers for a poll loop.
import { IPV4, ipv4Number, readInt32BE, readUint16BE, UDP } from 'vhost-pci-pmd';

const ANY = -1;
const PROTOCOLS: Readonly<Record<string, number>> = { any: ANY, icmp: 1, tcp: 6, udp: 17 };
/**
 * Numbers of a rule: action, protocol, and for source and destination address, mask, lowest and highest port.
 * They are signed 32-bit integers, since V8 may box larger ones.
 */
const STRIDE = 10;

/**
 * One rule a line, "#" begins a comment: `pass|drop any|icmp|tcp|udp SOURCE DESTINATION`, where source and
 * destination are `any` or `ADDRESS[/BITS]`, then `:PORT` or `:FIRST-LAST` where only these ports are meant.
 */
export function compileRules(text: string): Int32Array {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  return Int32Array.from(lines.flatMap((line, i) => (line === '' ? [] : compileRule(line, i + 1))));
}

function compileRule(line: string, number: number): number[] {
  const [action = '', protocol = '', source = '', destination = '', ...more] = line.split(/\s+/);
  try {
    if (more.length > 0) throw new Error(`'${more[0]}' is one word too many`);
    if (action !== 'pass' && action !== 'drop') throw new Error(`'${action}' is neither pass nor drop`);
    if (!Object.hasOwn(PROTOCOLS, protocol))
      throw new Error(`'${protocol}' is none of ${Object.keys(PROTOCOLS).join(', ')}`);
    return [
      action === 'pass' ? 1 : 0,
      PROTOCOLS[protocol],
      ...compileEnd(source),
      ...compileEnd(destination),
    ];
  } catch (error) {
    throw new Error(`line ${number}: ${(error as Error).message}`);
  }
}

function compileEnd(text: string): number[] {
  const [, address = '', bits = '32', first = '-1', last] =
    /^([^/:]+)(?:\/(\d+))?(?::(\d+)(?:-(\d+))?)?$/.exec(text) ?? [];
  const prefix = address === 'any' ? 0 : Number(bits);
  const range = [Number(first), Number(last ?? (first === '-1' ? 65535 : first))];
  if (address === '' || prefix > 32 || range[0] > range[1] || range[1] > 65535)
    throw new Error(`'${text}' is no address with ports`);
  const mask = prefix === 0 ? 0 : -1 << (32 - prefix);
  return [address === 'any' ? 0 : ipv4Number(address) & mask, mask, ...range];
}

/**
 * HOT. Whether the first rule that matches says "pass"; what none matches is dropped. The IPv4 header is at
 * `ip`, the ports are at `ports`; -1 stands for a protocol without ports, which only rules without ports
 * match.
 */
export function passes(rules: Int32Array, bytes: Uint8Array, ip: number, ports: number): boolean {
  const protocol = bytes[ip + IPV4.PROTOCOL];
  const source = readInt32BE(bytes, ip + IPV4.SOURCE);
  const destination = readInt32BE(bytes, ip + IPV4.DESTINATION);
  const sourcePort = ports < 0 ? -1 : readUint16BE(bytes, ports + UDP.SOURCE_PORT);
  const destinationPort = ports < 0 ? -1 : readUint16BE(bytes, ports + UDP.DESTINATION_PORT);
  for (let r = 0; r < rules.length; r += STRIDE) {
    if (rules[r + 1] !== ANY && rules[r + 1] !== protocol) continue;
    if (!matches(rules, r + 2, source, sourcePort)) continue;
    if (matches(rules, r + 6, destination, destinationPort)) return rules[r] === 1;
  }
  return false;
}

function matches(rules: Int32Array, at: number, address: number, port: number): boolean {
  return (address & rules[at + 1]) === rules[at] && port >= rules[at + 2] && port <= rules[at + 3];
}
