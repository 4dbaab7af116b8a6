// SPDX-License-Identifier: BSD-3-Clause
// The prompt: a line editor on a terminal; on a pipe, the same dialogue with each line echoed, as testpmd
// does.
import { isatty } from 'node:tty';
import { native } from '../native.ts';
import { MAX_LINE } from './commands/command-file.ts';
import type { CommandRunner } from './commands/command-runner.ts';
import { choices, complete } from './commands/grammar.ts';
import { commands } from './commands/table.ts';
import { watchForeground } from './foreground.ts';
import { readLines } from './input-lines.ts';
import { LineEditor } from './line-editor.ts';
import type { TerminalOutput } from './output.ts';
import type { Session } from './session.ts';

const PROMPT = 'testpmd> ';

/** Reads commands until quit or the end of input, which also quits. */
export async function runPrompt(
  session: Session,
  runner: CommandRunner,
  output: TerminalOutput,
): Promise<void> {
  if (isatty(0)) await editLines(session, runner, output);
  else await takeLines(session, runner, output);
  output.afterEvent = () => {};
}

/** Keys are typed on a terminal. Whether the output is one, too, makes no difference, as in testpmd. */
async function editLines(session: Session, runner: CommandRunner, output: TerminalOutput): Promise<void> {
  await output.complained();
  const input = process.stdin;
  let mine = false;
  let running = false;
  const interrupt = (on: boolean) => onTerminal(() => native.setTerminalInterrupt(0, on));
  const editor = new LineEditor(
    {
      write: (text) => output.write(text),
      enter: (line) => {
        last = last.then(() => execute(line));
      },
      end: () => {
        last = last.then(() => quit(session));
      },
      complete: (line) => complete(commands, line),
      choices: (line) => choices(commands, line),
    },
    PROMPT,
    MAX_LINE,
  );
  const execute = async (line: string) => {
    // A command that waits for a device blocks the event loop: ^C can interrupt it only as a signal.
    running = mayWait(line);
    if (running) interrupt(true);
    await runner.runLine(line);
    if (session.quitting) return;
    await session.untilHurried(output.room());
    await output.complained();
    if (running) interrupt(false);
    running = false;
    editor.ready();
  };
  let last = Promise.resolve();
  // The shell, or a program that ran meanwhile, may have changed the terminal's mode.
  const gained = () => {
    onTerminal(() => native.setTerminalRaw(0, true));
    if (running) interrupt(true);
    input.resume();
    mine = true;
    if (begun) editor.show();
    else editor.ready();
    begun = true;
  };
  const lost = () => {
    mine = false;
    input.pause();
  };
  let begun = false;
  const onData = (data: Buffer) => editor.feed(data);
  const onEnd = () => {
    last = last.then(() => quit(session));
  };
  input.on('data', onData).on('end', onEnd).on('error', onEnd);
  const foreground = watchForeground(gained, lost);
  output.afterEvent = () => {
    if (mine) editor.show();
  };
  await session.ended;
  foreground.end();
  input.off('data', onData).off('end', onEnd).pause();
  onTerminal(() => native.setTerminalRaw(0, false));
}

/** Whether ^C ends the program while the line runs. Otherwise it only cancels the line typed next. */
function mayWait(line: string): boolean {
  return /^\s*(port|device|start|stop|load|load_echo|quit)\b/.test(line);
}

function onTerminal(change: () => void): void {
  try {
    change();
  } catch {
    // The terminal is gone; the end of its input ends the session.
  }
}

/** Reads the next line only after the last one has run and its output was consumed, so neither piles up. */
async function takeLines(session: Session, runner: CommandRunner, output: TerminalOutput): Promise<void> {
  const show = () => output.write(PROMPT);
  output.afterEvent = show;
  show();
  const all = async () => {
    for await (const line of readLines(process.stdin, MAX_LINE)) {
      if (line === null) output.print(`Bad arguments: a line of more than ${MAX_LINE} characters`);
      else await runner.runLine(line, true);
      if (session.quitting) return;
      show();
      await session.untilHurried(output.room());
    }
    await quit(session);
  };
  // A signal may end the session while a line is awaited.
  await Promise.race([session.ended, all().then(() => session.ended)]);
}

function quit(session: Session): Promise<void> {
  return session.serialize(() => (session.quitting ? undefined : session.quit()));
}
