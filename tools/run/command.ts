// SPDX-License-Identifier: BSD-3-Clause
// The habits that the command lines of tools/ share.
import { Command, type Option, type OptionValues } from '@commander-js/extra-typings';
import { oneLine } from '../../src/errors.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { exitProcess } from '../../src/process-end.ts';
import { EXIT_USAGE } from './exit-status.ts';

export const HELP_OPTION = ['-h, --help', 'show this help'] as const;

const repeated = new WeakSet<object>();

/** Of `option`, there may be several; each adds to those before. */
export function repeatable<Repeated extends object>(option: Repeated): Repeated {
  repeated.add(option);
  return option;
}

/** Commander's command; but a second value would undo the first without a word, and is refused. */
export class CommandOfOnce extends Command {
  override createCommand(name?: string): Command {
    return new CommandOfOnce(name);
  }

  override addOption: Command['addOption'] = (option) => {
    let before: string | undefined;
    // Heard before commander's own listener, which takes the value.
    if (option.required && !repeated.has(option))
      this.on(`option:${option.name()}`, (value: string) => {
        if (before !== undefined)
          this.error(
            `error: option '${option.flags}' argument '${value}' is invalid. It was given as '${before}' already.`,
          );
        before = value;
      });
    return super.addOption(option);
  };
}

/**
 * A command line that reports a mistake in one line, after the program's name, and ends with status 2. Its
 * help goes through the writer that reports lost output. `shown` is the name in the help, where it differs.
 */
export function newCommand(program: string, shown = program): Command {
  const { stdout, stderr } = standardOutput();
  const command: Command = new CommandOfOnce(shown);
  return command
    .helpOption(...HELP_OPTION)
    .configureHelp({ optionDescription: describeOption })
    .exitOverride((error) => exitProcess(error.exitCode === 0 ? 0 : EXIT_USAGE))
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(errorLine(program, text, command)),
    });
}

/**
 * Choices, unless the description explains them all, and default, as words: commander prints them as JSON,
 * and a default for a flag too.
 */
export function describeOption(option: Option): string {
  const { argChoices, defaultValue: value, defaultValueDescription: words } = option;
  const unexplained = argChoices?.some((choice) => !option.description.includes(choice));
  const notes = unexplained ? [`one of ${argChoices?.join(', ')}`] : [];
  const shown = words ?? (Array.isArray(value) ? value.join(',') : value);
  if (shown !== undefined && shown !== '' && !option.isBoolean()) notes.push(`default: ${shown}`);
  return notes.length === 0 ? option.description : `${option.description} (${notes.join('; ')})`;
}

/** Commander's words for a value that a parser or a list of choices refuses. */
const WRONG_VALUE = /^option '([^']*)' argument '(.*)' is invalid\. (.*)$/s;

/** "--rate: 'fast' is not a rate …", "--count 'x': Expected a whole number …": the value once. */
function valueLine(flags: string, value: string, why: string): string {
  const flag = flags.split(/[ ,|]+/).findLast((word) => word.startsWith('-')) ?? flags;
  return why.includes(`'${value}'`) ? `${flag}: ${why}` : `${flag} '${value}': ${why}`;
}

/**
 * One printable line that begins with the program's name, and ends without a full stop, which only some of
 * commander's have. Commander puts "Did you mean …?" on a line of its own, and says how many arguments there
 * are but not which one is too many.
 */
export function errorLine(
  program: string,
  text: string,
  given?: Pick<Command, 'args' | 'registeredArguments'>,
): string {
  const surplus = () => `unexpected argument '${given?.args[given.registeredArguments.length]}'`;
  const error = text
    .trim()
    .replace(/^error: /, '')
    .replace(/^too many arguments.*$/s, surplus)
    .replace(WRONG_VALUE, (_, flags, value, why) => valueLine(flags, value, why))
    .replace(/\.$/, '');
  return `${oneLine(`${program}: ${error}`)}\n`;
}

/** Of an option that may be repeated, there is a list. */
const isMissing = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.length === 0);

type Given<Options, Key extends keyof Options> = Options & { [K in Key]-?: NonNullable<Options[K]> };

/**
 * The options of a parsed command, with those of `keys` required. Commander's own required options are missed
 * before a misspelt one is reported, which is mostly why they are missing.
 */
export function optionsWith<Options extends OptionValues, Key extends string & keyof Options>(
  command: Command<[], Options>,
  ...keys: Key[]
): Given<Options, Key> {
  const options = command.opts();
  const flags = keys
    .filter((key) => isMissing(options[key]))
    .map((key) => `'${command.options.find((each) => each.attributeName() === key)?.flags}'`);
  if (flags.length > 0)
    command.error(`error: required option${flags.length > 1 ? 's' : ''} ${flags.join(', ')} not specified`);
  return options as Given<Options, Key>;
}
