// SPDX-License-Identifier: BSD-3-Clause
// What two runs had not alike: options, version and machine, as their files tell.
import { type Json, objectAt, textAt } from './json.ts';

/** Options that change where figures go or how they are shown, and not the figures. */
const WITHOUT_EFFECT = new Set([
  ...['--json', '--csv', '--html', '--hgrm', '--compare', '--gaps', '--file-prefix', '--no-telemetry'],
  ...['--plain', '--stats-period'],
]);

/** "--size: imix; earlier: not given": a line for each thing that differs, as far as the files tell. */
export function differences(now: Json, then: Json): string[] {
  const [own, other] = [objectAt(now, 'about'), objectAt(then, 'about')];
  return [...optionDifferences(own, other), ...machineDifferences(own, other)];
}

function optionDifferences(now: Json, then: Json): string[] {
  const commands = [textAt(now, 'command'), textAt(then, 'command')];
  if (commands.includes(null)) return [];
  const [own, other] = commands.map((command) => optionsOf(command ?? '')) as [Options, Options];
  return [...new Set([...own.keys(), ...other.keys()])].flatMap((name) =>
    own.get(name) === other.get(name) || WITHOUT_EFFECT.has(name)
      ? []
      : [`${name}: ${valueText(own.get(name))}; earlier: ${valueText(other.get(name))}`],
  );
}

const valueText = (value: string | undefined): string => (value === '' ? 'given' : (value ?? 'not given'));

type Options = ReadonlyMap<string, string>;

/** By the words of a command as commandText() writes it; an option without a value has ''. */
function optionsOf(command: string): Options {
  const options = new Map<string, string>();
  let name = '';
  for (const quoted of command.match(/(?:'[^']*'|\\'|[^\s'])+/g)?.slice(1) ?? []) {
    const word = quoted.replace(/\\'|'([^']*)'/g, (part, inside) => (part === "\\'" ? "'" : inside));
    const [, option, value = ''] = /^(--?[a-z][^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (option !== undefined) name = option;
    options.set(name, option === undefined ? [options.get(name), word].filter(Boolean).join(' ') : value);
  }
  return options;
}

function machineDifferences(now: Json, then: Json): string[] {
  const [own, other] = [objectAt(now, 'machine'), objectAt(then, 'machine')];
  const compared = [
    ['version', textAt(now, 'version'), textAt(then, 'version')] as const,
    ...(['cpu', 'kernel', 'node'] as const).map(
      (key) => [key, textAt(own, key), textAt(other, key)] as const,
    ),
  ];
  return compared.flatMap(([what, mine, theirs]) =>
    mine === null || theirs === null || mine === theirs ? [] : [`${what}: ${mine}; earlier: ${theirs}`],
  );
}
