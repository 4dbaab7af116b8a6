// SPDX-License-Identifier: BSD-3-Clause
// What the user may have meant by an option that does not exist.
import { Command, type CommanderError } from '@commander-js/extra-typings';

/** More options than this with the same beginning are no help. */
const MOST = 3;

/**
 * The options among `names` that an unknown one abbreviates (as getopt_long accepts), else those that
 * commander finds spelt most alike. All names have their dashes.
 */
export function likelyOptions(unknown: string, names: readonly string[]): string[] {
  const begun = names.filter((name) => name.startsWith(unknown));
  if (begun.length === 0) return speltAlike(unknown, names);
  return begun.length <= MOST ? begun : [];
}

/** Commander judges only what its own parser rejects: "error: unknown option '--x'\n(Did you mean --y?)". */
function speltAlike(unknown: string, names: readonly string[]): string[] {
  const command = new Command().exitOverride().configureOutput({ outputError: () => {} });
  command.helpOption(false);
  for (const name of names) command.option(name);
  try {
    command.parse([unknown], { from: 'user' });
  } catch (error) {
    const [, suggestion = ''] = (error as CommanderError).message.split('\n');
    return suggestion.match(/--[\w-]+/g) ?? [];
  }
  return [];
}
