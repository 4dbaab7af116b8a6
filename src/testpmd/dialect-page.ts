// SPDX-License-Identifier: BSD-3-Clause
// Writes docs/dialect.md from the table of commands and the options: npm run docs.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Command, usage } from './commands/grammar.ts';
import { commands } from './commands/table.ts';
import { DIALECT_DIFFERENCES, type DialectDifference } from './dialect-differences.ts';
import { ealOptions } from './eal-options.ts';
import { GONE, type OptionRow, optionTerm } from './getopt.ts';
import { notedOptions } from './noted-options.ts';
import { testpmdOptions } from './options.ts';
import type { Session } from './session.ts';

export const DIALECT_PAGE = fileURLToPath(new URL('../../docs/dialect.md', import.meta.url));

const HEAD = `# The testpmd dialect

What \`vhost-pci-testpmd\` takes of the commands and options of DPDK's testpmd (22.11 to 26.07). The tables are generated from the grammar
by \`npm run docs\`; a test types a line of each form. A command is never taken silently without effect.
`;

const DIFFERENCES = `## Differences from dpdk-testpmd 22.11 and 24.11

Seen with the same script on the same ports of ours and of each: \`net_null\`, \`net_tap\`, \`net_pcap\` over files and over interfaces, and a
live port, there \`net_vhost\`. Texts are the same otherwise, numbers and addresses aside; test/golden-session.test.ts holds that. Where the
text of 24.11 is another than that of 22.11, ours is that of 22.11. Packets are compared with those of 22.11; the VLAN filter, which no
driver of DPDK has that runs without a NIC, with a trunk port of Open vSwitch.
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
    '| | works | refused as testpmd does for a driver without the operation, or accepted with a note |',
    '|---|---|---|',
    `| forms of commands | ${works.length} | ${refused.length} |`,
    `| testpmd options | ${own.length} | ${notedOptions.length} |`,
    `| EAL options | ${ealOptions.length} | 0 |\n`,
    DIFFERENCES,
    ...differenceTable(DIALECT_DIFFERENCES.filter(({ only }) => !only)),
    '## Differences from one version only\n',
    ...differenceTable(DIALECT_DIFFERENCES.filter(({ only }) => only)),
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

function differenceTable(rows: readonly DialectDifference[]): string[] {
  const lines = rows.map(({ only, where, difference, why }) =>
    [...(only ? [only] : []), where, difference, why].map(cell),
  );
  const head = [...(rows[0]?.only ? ['from'] : []), 'where', 'difference', 'why'];
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).concat('');
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
