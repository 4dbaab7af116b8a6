// SPDX-License-Identifier: BSD-3-Clause
// How the programs of tools/ report wrong usage: one printable line that begins with the program's name.
import type { Command } from '@commander-js/extra-typings';
import { oneLine } from '../../src/errors.ts';

/** For Command.configureOutput(). `command` returns the command whose arguments were parsed. */
export function usageErrors(program: string, command: () => Pick<Command, 'args' | 'registeredArguments'>) {
  return {
    outputError: (text: string, write: (line: string) => void) => {
      const { args, registeredArguments } = command();
      // Commander says how many arguments there are, but not which one is too many.
      const surplus = () => `unexpected argument '${args[registeredArguments.length]}'`;
      const error = text.trimEnd().replace(/^error: too many arguments.*$/s, surplus);
      write(`${oneLine(`${program}: ${error.replace(/^error: /, '')}`)}\n`);
    },
  };
}
