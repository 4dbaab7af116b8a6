// SPDX-License-Identifier: BSD-3-Clause
// The list of differences, differences.txt, and what is not as it says.
import { readFileSync } from 'node:fs';
import type { Difference } from './transcript.ts';

interface Listed {
  /** The row of docs/dialect.md. */
  readonly row: string;
  /** Kinds of ports. */
  readonly kinds: readonly string[];
  /** Versions of dpdk-testpmd; empty: each. */
  readonly versions: readonly string[];
  readonly commands: readonly string[];
  readonly ours: readonly Line[];
  readonly theirs: readonly Line[];
}

type Line = string | RegExp;
type Draft = Pick<Listed, 'row' | 'kinds' | 'versions'> & {
  commands: string[];
  ours: Line[];
  theirs: Line[];
};

export function listed(file: URL): Listed[] {
  const all: Draft[] = [];
  let row = '';
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [sign, rest] = [line[0], line.slice(1)];
    if (sign === '#') row = rest.trim();
    if (sign === '@') all.push({ row, ...portsAndVersions(rest), commands: [], ours: [], theirs: [] });
    const entry = all.at(-1);
    if (sign === '>') entry?.commands.push(rest.slice(1));
    if (sign === '+') entry?.ours.push(patternOf(rest));
    if (sign === '-') entry?.theirs.push(patternOf(rest));
  }
  return all;
}

function portsAndVersions(text: string): Pick<Listed, 'kinds' | 'versions'> {
  const words = text.trim().split(' ');
  const isVersion = (word: string) => /^\d/.test(word);
  return { kinds: words.filter((word) => !isVersion(word)), versions: words.filter(isVersion) };
}

const patternOf = (text: string): Line => (text.startsWith('~') ? new RegExp(text.slice(1)) : text);

export interface Verdict {
  /** Differences that are not listed, or not so. */
  readonly unlisted: readonly Difference[];
  /** Listed differences that are not there. */
  readonly gone: readonly string[];
}

/** Compares what was found on ports of a kind, beside a version of dpdk-testpmd, with the list. */
export function judge(
  list: readonly Listed[],
  kind: string,
  version: string,
  found: readonly Difference[],
): Verdict {
  const mine = list.filter(
    ({ kinds, versions }) => kinds.includes(kind) && (versions.length === 0 || versions.includes(version)),
  );
  const matching = (difference: Difference) =>
    mine.filter(
      ({ commands, ours, theirs }) =>
        commands.includes(difference.command) &&
        agree(ours, difference.ours) &&
        agree(theirs, difference.theirs),
    );
  const entries = mine.flatMap((entry) => entry.commands.map((command) => ({ entry, command })));
  const isThere = ({ entry, command }: (typeof entries)[number]) =>
    found.some((difference) => difference.command === command && matching(difference).includes(entry));
  return {
    unlisted: found.filter((difference) => matching(difference).length !== 1),
    gone: entries.filter((each) => !isThere(each)).map(({ entry, command }) => `${entry.row}: ${command}`),
  };
}

/** Every line is one of these, and every one of these is a line; without patterns, in their order. */
function agree(wanted: readonly Line[], lines: readonly string[]): boolean {
  const is = (line: string, want: Line) => (typeof want === 'string' ? line === want : want.test(line));
  if (wanted.every((want) => typeof want === 'string')) return String(wanted) === String(lines);
  return (
    lines.every((line) => wanted.some((want) => is(line, want))) &&
    wanted.every((want) => lines.some((line) => is(line, want)))
  );
}
