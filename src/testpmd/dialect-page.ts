// SPDX-License-Identifier: BSD-3-Clause
// Writes docs/dialect.md from the table of commands and the options: npm run docs.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Command, usage } from './commands/grammar.ts';
import { commands } from './commands/table.ts';
import { ealOptions } from './eal-options.ts';
import { GONE, type OptionRow, optionTerm } from './getopt.ts';
import { notedOptions } from './noted-options.ts';
import { testpmdOptions } from './options.ts';
import type { Session } from './session.ts';

export const DIALECT_PAGE = fileURLToPath(new URL('../../docs/dialect.md', import.meta.url));

const HEAD = `# The testpmd dialect

What \`vhost-pci-testpmd\` takes of the commands and options of DPDK's testpmd (22.11 and 26.07). The tables are generated from the grammar
by \`npm run docs\`; a test types a line of each form. A command is never taken silently without effect.
`;

const DIFFERENCES = `## Differences from dpdk-testpmd 22.11

Seen with the same script on \`net_null\` ports of both; texts are the same otherwise, numbers and addresses aside.

| where | difference | why |
|---|---|---|
| prompt on a pipe | an echoed line ends in LF, there in CR LF | no parser looks at it |
| \`show rxq info\`, \`show txq info\` | shows the queue, there \`Operation not supported\` | the state and the size of a ring are known here |
| \`show port N tx_offload capabilities\` | lists what a port always does; there nothing for \`net_null\` | \`port config N tx_offload\` cannot turn it off |
| \`port config N rx_offload X on\` | what the port does not have is refused at once, as in 26.07; there at \`port start\` | one line says which command was wrong |
| \`rx_offload\`, \`tx_offload\` | VLAN, checksums of IPv4 and SCTP and the hash are there on every port, in software; there what the driver has | done above the queues |
| \`show port info\` | minimum and maximum MTU, 64 addresses; hash and table sizes only where software spreads packets | the lines of later versions; what software does |
| \`port config N rxq Q ring_size\`, \`--rxd\`, \`--txd\` | of a port with a peer, say that the peer chooses its ring sizes | it does |
| \`mac_addr add\`, \`mcast_addr add\`; \`set promisc off\`, \`set allmulti off\` | done, in software; \`net_null\` refuses them | a port without filter drops what is not for it above its queues |
| \`vlan set\`, \`rx_vlan\`, \`tx_vlan\` | done, in software; \`net_null\` refuses them | tags are removed and added above the queues |
| \`vlan set extend on\` | filter and strip look behind an outer tag, if there is one | as ixgbe does it |
| \`port N rxq Q stop\`, \`setup\`, \`set link-down\` | done; \`net_null\` refuses them | the streams of a stopped queue do not run |
| RSS | of ports that \`--rss-ip\`, \`--rss-udp\` or \`--enable-rss\` give more queues than their devices have: they share one lcore. Of a port with one queue, for the hash that \`rx_offload rss_hash\` keeps; there refused. Of others, refused as for one queue there | there the peer chooses the queue |
| mode ieee1588 | not known, as there | no clock of a device |
| mode recycle_mbufs | known, as in 26.07: mode io | packets pass without mbufs there, or give them back at once |
| SCTP in mode csum | its checksum is computed; there set to 0, unless the device does it | RFC 9260 |
| \`set port N gso on\` | also TCP over IPv6 and what a guest left to be segmented; the checksum of each piece is right, and headers around a tunnel are those of the piece; there as they were before | what is sent should arrive |
| \`csum parse-tunnel on\` | checksums inside and around a tunnel are computed here, whatever \`csum set\` says; fragments and padding are left alone; there a fragment gets a checksum over its own bytes | a port's checksum covers all to the end of the frame; what is sent should arrive |
| \`gro\` | packets of a stream stay in order, and what is merged is segmented again where the TX port's peer takes no large packets; there it is sent as it is | a peer that has not offered it drops large packets |
| \`show config fwd\` after \`set fwd\` | names the new mode; there the old one until \`start\` | it is what \`start\` would do |
| \`csum set ip\\|sctp\\|tcp\\|udp hw\`, \`tso set\` on \`net_null\` | taken; there \`not supported\` | the port takes packets whose checksum is open |
| \`port start\` after \`port config all rxq N\` | configures ports whose number of queues changes; there all | nothing else changes |
| \`port reset\` | done; \`net_null\` refuses it | the port is configured anew when it starts |
| \`port detach\` of a started port | \`Removing a device...\` comes first | said before the port is looked at |
| \`flow\` | ingress rules of group 0 over eth, vlan, ipv4, ipv6, udp and tcp with queue, drop, mark and count; the rest refused by name, without the pointer that real testpmd prints | done in software |
| \`set txtimes\` | packets are sent at these times; there only by devices that have a clock for it | the loop waits by itself |
| \`--txonly-multi-flow\` | the source port differs, as in 26.07; there the source address | the addresses stay those of \`--tx-ip\` |
| noisy | the buffer of a stream; what finds no room in it is dropped; there it is a port's, and such packets are lost to the pool | no loop shares a queue |
| wrong options, no ports | exit status 2, one line | a mistake should not start anything |
`;

/** docs/dialect.md as it should be. */
export function dialectPage(): string {
  const works = commands.filter(({ refused }) => !refused);
  const refused = commands.filter((command) => command.refused);
  const noted = new Set(notedOptions.flatMap(({ long = [] }) => long));
  const own = testpmdOptions.filter(({ long = [] }) => !long.some((name) => noted.has(name)));
  return [
    HEAD,
    '## Counts\n',
    '| | works | refused as by a port driver without the operation, or noted to have no effect |',
    '|---|---|---|',
    `| forms of commands | ${works.length} | ${refused.length} |`,
    `| testpmd options | ${own.length} | ${notedOptions.length} |`,
    `| EAL options | ${ealOptions.length} | 0 |\n`,
    DIFFERENCES,
    '## Commands that work\n',
    ...commandTable(works, 'what it does'),
    '## Commands that are refused\n',
    ...commandTable(refused, 'what it is about'),
    '## testpmd options\n',
    ...optionTable(own),
    '## testpmd options that say that they have no effect\n',
    ...optionTable(notedOptions),
    '## EAL options\n',
    ...optionTable(ealOptions),
    '## Options that have gone from DPDK\n',
    '| option | answer |',
    '|---|---|',
    ...Object.entries(GONE).map(([name, answer]) => `| \`${name}\` | ${answer} |`),
    '',
  ].join('\n');
}

function commandTable(rows: readonly Command<Session>[], what: string): string[] {
  const lines = rows.map((row) => `| \`${cell(usage(row))}\` | ${row.section} | ${cell(row.help)} |`);
  return [`| form | section | ${what} |`, '|---|---|---|', ...lines, ''];
}

function optionTable<T>(rows: readonly OptionRow<T>[]): string[] {
  const lines = rows.map(
    (row) => `| \`${cell(optionTerm(row))}\` | ${cell(row.help ?? `accepted: ${row.why}`)} |`,
  );
  return ['| option | what it does; "accepted": nothing, for the reason given |', '|---|---|', ...lines, ''];
}

const cell = (text: string) => text.replaceAll('|', '\\|');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(DIALECT_PAGE, dialectPage());
