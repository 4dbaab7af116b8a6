// SPDX-License-Identifier: BSD-3-Clause
// The prompt: a line editor on a terminal; on a pipe, the same dialogue with each line echoed, as testpmd
// does.
import { createInterface } from 'node:readline';
import { isatty } from 'node:tty';
import { native } from '../native.ts';
import { MAX_LINE } from './commands/command-file.ts';
import type { CommandRunner } from './commands/command-runner.ts';
import { complete } from './commands/grammar.ts';
import { commands } from './commands/table.ts';
import { watchForeground } from './foreground.ts';
import { readLines } from './input-lines.ts';
import type { TerminalOutput } from './output.ts';
import type { Session } from './session.ts';

const PROMPT = 'testpmd> ';

/** Reads commands until quit or the end of input, which also quits. ^C calls `onInterrupt`. */
export async function runPrompt(
  session: Session,
  runner: CommandRunner,
  output: TerminalOutput,
  onInterrupt: () => void,
): Promise<void> {
  if (isatty(0) && isatty(1)) await editLines(session, runner, output, onInterrupt);
  else await takeLines(session, runner, output);
  output.afterEvent = () => {};
}

async function editLines(
  session: Session,
  runner: CommandRunner,
  output: TerminalOutput,
  onInterrupt: () => void,
): Promise<void> {
  // Node's own setRawMode blocks until a stopped terminal has accepted all output, and no signal interrupts
  // it.
  const input = Object.assign(process.stdin, {
    setRawMode: (on: boolean) => {
      onTerminal(() => native.setTerminalRaw(0, on));
      return process.stdin;
    },
  });
  const lines = createInterface({
    input,
    output: output.terminal(),
    terminal: true,
    prompt: PROMPT,
    completer: (line: string) => {
      const { added, options } = complete(commands, line);
      // Node's own list comes with the second <TAB> only, and shows no help.
      if (options.length > 0) output.event(['', ...options].join('\n '));
      const [last = ''] = /\S*$/.exec(line) ?? [];
      return [added === '' ? [] : [last + added], last];
    },
  });
  let mine = false;
  let running = false;
  const show = () => {
    if (mine && !running) lines.prompt(true);
  };
  const run = (on: boolean) => {
    running = on;
    onTerminal(() => native.setTerminalInterrupt(0, on));
  };
  const lost = () => {
    mine = false;
    lines.pause();
  };
  // The shell, or a program that ran meanwhile, may have changed the terminal's mode.
  const gained = () => {
    mine = true;
    lines.resume();
    input.setRawMode(true);
    run(running);
    show();
  };
  const foreground = watchForeground(gained, lost);
  let last = Promise.resolve();
  lines.on('SIGINT', onInterrupt);
  lines.on('SIGTSTP', () => {
    lost();
    input.setRawMode(false);
    // Reading stops from the next event-loop turn on. If there is no shell to continue this process, the
    // signal has no effect.
    setImmediate(() => process.kill(process.pid, 'SIGTSTP'));
    foreground.look();
  });
  lines.on('line', (line) => {
    last = last.then(async () => {
      // A command that waits for a device blocks the event loop: ^C can interrupt it only as a signal.
      run(true);
      await runner.runLine(line);
      if (session.quitting) return;
      run(false);
      show();
    });
  });
  lines.on('close', () => {
    last = last.then(() => quit(session));
  });
  output.afterEvent = show;
  await session.ended;
  foreground.end();
  lines.close();
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
