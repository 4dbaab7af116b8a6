// SPDX-License-Identifier: BSD-3-Clause
// What a testpmd answers to each line of a script, and what two of them answer otherwise. Numbers and
// addresses are left out.
import { Child } from '../../tools/run/child.ts';
import { until } from '../support/wait.ts';

const BOUND_MS = 90_000;

export interface Answer {
  readonly command: string;
  readonly lines: readonly string[];
}

/** The lines of an answer that only one of them has. */
export interface Difference {
  readonly command: string;
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** No command: what comes before it is not compared. */
const BEGIN = 'begin';

/**
 * What a program answers; stdout and stderr are one stream, as on a terminal. `ready` is called once it has
 * its prompt; then the lines are typed all at once, as soon as all links are up.
 */
export async function transcript(
  words: readonly string[],
  script: readonly string[],
  ready?: () => Promise<void>,
): Promise<Answer[]> {
  const command = ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...words];
  const child = new Child({ name: 'testpmd', command, maxRunMs: BOUND_MS });
  if (ready) {
    await child.waitFor(/testpmd> $/, BOUND_MS);
    await ready();
    await until('the link is up', () => {
      child.write('show port info 0');
      return child.output.includes('Link status: up');
    });
  }
  for (const line of [BEGIN, ...script, 'quit']) child.write(line);
  await child.gone;
  return answersIn(child.output, script);
}

/** Answers are between the echoes of two lines. */
function answersIn(said: string, script: readonly string[]): Answer[] {
  const all = said.replaceAll('\r', '');
  const echoes: number[] = [all.indexOf(`testpmd> ${BEGIN}\n`)];
  for (const command of [...script, 'quit']) {
    const at = all.indexOf(`testpmd> ${command}\n`, echoes.at(-1));
    if (at < 0) throw new Error(`no answer to '${command}':\n${said}`);
    echoes.push(at + 'testpmd> '.length + command.length + 1);
  }
  return script.map((command, i) => {
    const answer = all.slice(echoes[i + 1], all.lastIndexOf('testpmd> ', (echoes[i + 2] ?? 0) - 1));
    return { command, lines: normalised(answer) };
  });
}

/** Neither what comes at any time, with the prompt after it, nor EAL's log. */
const UNRELATED = /Sending 'stop_req'|link state change event|^testpmd>$|^EAL|^$/;
/** DPDK 24.11 names the library whose log a line is. */
const LIBRARY = /^(ETHDEV|TAP): /;

function normalised(answer: string): string[] {
  return answer
    .replaceAll(/\b([0-9A-F]{2}:){5}[0-9A-F]{2}\b/gi, 'MAC')
    .replaceAll(/\b0x[0-9a-f]+\b/gi, '0xN')
    .replaceAll(/(?<![\w.])-?\d+(\.\d+)?\b/g, 'N')
    .replaceAll(/N +/g, 'N ')
    .replaceAll(/ +N\b/g, ' N')
    .split('\n')
    .map((line) => line.trimEnd().replace(LIBRARY, ''))
    .filter((line) => !UNRELATED.test(line));
}

/** Commands whose answers are not the same, and in what. */
export function differences(ours: readonly Answer[], theirs: readonly Answer[]): Difference[] {
  return ours.flatMap(({ command, lines }, i) => {
    const other = theirs[i]?.lines ?? [];
    const common = commonLines(lines, other);
    const found = { command, ours: without(lines, common), theirs: without(other, common) };
    return found.ours.length + found.theirs.length > 0 ? [found] : [];
  });
}

/** The longest sequence of lines that both have. */
function commonLines(a: readonly string[], b: readonly string[]): string[] {
  const best: string[][] = new Array(b.length + 1).fill([]);
  for (const line of a) {
    let diagonal: string[] = [];
    for (let j = 1; j <= b.length; j++) {
      const above = best[j] as string[];
      const beside = best[j - 1] as string[];
      best[j] = line === b[j - 1] ? [...diagonal, line] : above.length >= beside.length ? above : beside;
      diagonal = above;
    }
  }
  return best[b.length] as string[];
}

function without(lines: readonly string[], common: readonly string[]): string[] {
  let next = 0;
  return lines.filter((line) => {
    if (line !== common[next]) return true;
    next++;
    return false;
  });
}
