// SPDX-License-Identifier: BSD-3-Clause
// The commands about the hash of received packets. Software spreads them by it over the queues of a port that
// has more than its device; where there is one queue, it is kept with the packets (rx_offload rss_hash).
import type { Port } from '../../ethdev/port.ts';
import { RETA_SIZE } from '../../offload/rss.ts';
import { RSS_KEY_LENGTH } from '../../offload/toeplitz.ts';
import type { Session } from '../session.ts';
import { rssBits, rssTypesText, SUPPORTED_RSS } from '../text/rss-text.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'ports';
type Args = Readonly<Record<string, string>>;

const HASHED = [
  'ipv4|ipv4-frag|ipv4-tcp|ipv4-udp|ipv4-sctp|ipv4-other|ipv6|ipv6-frag|ipv6-tcp|ipv6-udp|ipv6-sctp|ipv6-other',
  'l2-payload|ipv6-ex|ipv6-tcp-ex|ipv6-udp-ex|ipv6-flow-label|l3-src-only|l3-dst-only|l4-src-only|l4-dst-only',
  'l2-src-only|l2-dst-only|s-vlan|c-vlan|l2tpv3|esp|ah|pfcp|pppoe|gtpu|ecpri|mpls|l2tpv2',
].join('|');
const NOT_ENABLED = "Multi-queue RSS mode isn't enabled.";
/** Entries of one mask of `show port N rss reta`. */
const GROUP = 64;

export const rssCommands: readonly Command<Session>[] = [
  {
    pattern: 'port config all rss what=<text>',
    section,
    help: 'Hash these kinds of packets: ip, tcp, udp, sctp, ipv4-udp, ..., all, default or none.',
    run: setTypes,
  },
  {
    pattern: `port config id=<id> rss-hash-key type=${HASHED} key=<text>`,
    section,
    help: 'Set the key of the hash, and what is hashed.',
    run: setKey,
  },
  {
    pattern: 'port config id=<id> rss reta entries=<rest>',
    section,
    help: 'Set the queues of entries of the redirection table: (hash,queue)[,(hash,queue)].',
    run: setReta,
  },
  {
    pattern: 'show port id=<id> rss-hash',
    section: 'display',
    help: 'Display what is hashed.',
    run: (session, { id }) => showHash(session, id, ''),
  },
  {
    pattern: 'show port id=<id> rss-hash what=key|algorithm',
    section: 'display',
    help: 'Display what is hashed with the key, or how.',
    run: (session, { id, what }) => showHash(session, id, what),
  },
  {
    pattern: 'show port id=<id> rss reta size=<u16> masks=<text>',
    section: 'display',
    help: 'Display the entries of the redirection table that masks name, one for 64 entries.',
    run: showReta,
  },
];

function isHashed({ settings }: Session, port: Port): boolean {
  return settings.soft.hashesPort(port, settings.rxQueues);
}

function setTypes(session: Session, { what }: Args): Promise<void> | undefined {
  const { settings, output, ports } = session;
  const wanted = what === 'default' ? BigInt(SUPPORTED_RSS) : what === 'none' ? 0n : typeBits(what);
  if (wanted === null) {
    output.complain('Unknown parameter');
    return undefined;
  }
  const types = Number(BigInt(SUPPORTED_RSS) & wanted);
  let updated = true;
  for (const port of ports.open) {
    if (!isHashed(session, port)) {
      updated = false;
      output.complain(
        `${NOT_ENABLED}\nConfiguration of RSS hash at ethernet port ${port.id} failed with error (95): Operation not supported.`,
      );
      continue;
    }
    if (wanted !== BigInt(types))
      output.print(
        `Port ${port.id} modified RSS hash function based on hardware support,` +
          `requested:${hex(wanted)} configured:${hex(BigInt(types))}`,
      );
    settings.soft.of(port).rssTypes = types;
  }
  if (updated) {
    settings.soft.rssTypes = types;
    if (what !== 'default') output.print(`rss_hf ${hex(wanted)}`);
  }
  return session.forwarding.apply();
}

/** As printf's %#x, which writes 0 without its prefix. */
const hex = (value: bigint) => (value === 0n ? '0' : `0x${value.toString(16)}`);

/** The bits of a name, or of the number of one bit. */
function typeBits(what: string): bigint | null {
  if (!/^\d+$/.test(what)) return rssBits(what);
  return Number(what) > 0 && Number(what) < 64 ? 1n << BigInt(what) : null;
}

function setKey(session: Session, { id, type, key }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  const digits = RSS_KEY_LENGTH * 2;
  if (!isHashed(session, port)) session.output.complain('dev_info did not provide a valid hash key size');
  else if (key.length !== digits)
    session.output.complain(
      `key length: ${key.length} invalid - key must be a string of ${digits} hexa-decimal numbers`,
    );
  else if (!/^[0-9a-f]+$/i.test(key)) {
    const at = key.search(/[^0-9a-f]/i);
    session.output.complain(`invalid key: character ${at + 1} is not a hexa-decimal digit`);
  } else {
    const soft = session.settings.soft.of(port);
    soft.rssKey = Uint8Array.from(Buffer.from(key, 'hex'));
    soft.rssTypes = Number(BigInt(SUPPORTED_RSS) & (rssBits(type) ?? 0n));
    return session.forwarding.apply();
  }
  return undefined;
}

function setReta(session: Session, { id, entries }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  const { output, settings } = session;
  if (!isHashed(session, port)) {
    output.complain('Redirection table size is 0 which is invalid for RSS');
    return undefined;
  }
  output.print(`The reta size of port ${id} is ${RETA_SIZE}`);
  const pairs = [...entries.matchAll(/\(([^)]*)\)/g)].map(([, pair = '']) =>
    pair.split(',').map(wholeNumber),
  );
  const bad = (why: string, code: number) =>
    output.complain(`${why}Bad redirection table parameter, return code = ${code}`);
  const wrong = pairs.find(([hash = Number.NaN]) => hash >= RETA_SIZE);
  if (wrong || pairs.some((pair) => pair.length !== 2 || pair.some(Number.isNaN))) {
    const index = wrong ? `Invalid RETA hash index=${wrong[0]}\n` : '';
    output.complain(`${index}Invalid RSS Redirection Table config entered`);
    return undefined;
  }
  const { rxQueues } = settings;
  const over = pairs.find(([, queue = 0]) => queue >= rxQueues);
  if (pairs.length === 0) bad('', -22);
  else if (over)
    bad(`reta_conf[0]->reta[${over[0]}]: ${over[1]} exceeds the maximum rxq index: ${rxQueues}\n`, -22);
  else {
    const soft = settings.soft.of(port);
    soft.reta = soft.retaFor(rxQueues);
    for (const [hash = 0, queue = 0] of pairs) soft.reta[hash] = queue;
    return session.forwarding.apply();
  }
  return undefined;
}

function wholeNumber(text: string): number {
  return /^\s*(\d{1,5}|0x[0-9a-f]{1,4})\s*$/i.test(text) && Number(text) <= 65_535
    ? Number(text)
    : Number.NaN;
}

function showHash(session: Session, id: string, what: string): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const { output, settings } = session;
  if (!isHashed(session, port)) {
    output.complain('dev_info did not provide a valid hash key size');
    return;
  }
  const soft = settings.soft.of(port);
  const types = settings.soft.typesOf(port);
  if (types === 0) output.print('RSS disabled');
  else if (what === 'algorithm') output.print('RSS algorithm:\n  toeplitz');
  else {
    const key = Buffer.from(soft.rssKey).toString('hex').toUpperCase();
    output.print(
      ['RSS functions:', rssTypesText(types), ...(what === 'key' ? ['RSS key:', key] : [])].join('\n'),
    );
  }
}

function showReta(session: Session, { id, size, masks }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const { output, settings } = session;
  const entries = Number(size);
  const most = isHashed(session, port) ? RETA_SIZE : 0;
  if (entries === 0 || entries > most) {
    output.complain(`Invalid redirection table size: ${entries} (1-${most})`);
    return;
  }
  const groups = Math.ceil(entries / GROUP);
  const words = /\(([^)]*)\)/.exec(masks)?.[1]?.split(',') ?? [];
  if (words.length !== groups) {
    const count = masks.includes('(')
      ? `The bits of masks do not match the number of reta entries: ${groups}\n`
      : '';
    output.complain(`${count}Invalid string: ${masks} for reta masks`);
    return;
  }
  if (entries !== RETA_SIZE) {
    output.complain('Failed to get RSS RETA info, return code = -22');
    return;
  }
  const reta = settings.soft.of(port).retaFor(settings.rxQueues);
  const chosen = (entry: number) => (maskOf(words[Math.floor(entry / GROUP)]) >> BigInt(entry % GROUP)) & 1n;
  const lines = reta.flatMap((queue, entry) =>
    chosen(entry) ? [`RSS RETA configuration: hash index=${entry}, queue=${queue}`] : [],
  );
  if (lines.length > 0) output.print(lines.join('\n'));
}

const maskOf = (word = '0') => (/^\s*(0x[0-9a-f]{1,16}|\d{1,19})\s*$/i.test(word) ? BigInt(word.trim()) : 0n);
