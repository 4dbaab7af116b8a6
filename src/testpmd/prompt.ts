// SPDX-License-Identifier: BSD-3-Clause
// The prompt: a line editor on a terminal; on a pipe the same dialogue, with each line echoed as testpmd does.
import { createInterface } from 'node:readline';
import { complete } from './commands/grammar.ts';
import { runLine } from './commands/run.ts';
import { commands } from './commands/table.ts';
import type { TerminalOutput } from './output.ts';
import type { Session } from './session.ts';

const PROMPT = 'testpmd> ';

/** Reads commands until quit or the end of input, which quits. Interrupts call `onInterrupt`. */
export async function runPrompt(
  session: Session,
  output: TerminalOutput,
  onInterrupt: () => void,
): Promise<void> {
  const terminal = Boolean(process.stdin.isTTY && process.stdout.isTTY);
  const lines = createInterface({
    input: process.stdin,
    output: terminal ? process.stdout : undefined,
    terminal,
    prompt: PROMPT,
    completer: (line: string) => [complete(commands, line), line.split(/\s+/).pop() ?? ''],
  });
  const show = () => {
    if (terminal) lines.prompt(true);
    else process.stdout.write(PROMPT);
  };
  lines.on('SIGINT', onInterrupt);
  lines.on('line', (line) => {
    void session.serialize(async () => {
      if (session.quitting) return;
      if (!terminal) process.stdout.write(`${line}\n`);
      await runLine(session, commands, line);
      if (!session.quitting) show();
    });
  });
  lines.on('close', () => {
    void session.serialize(() => (session.quitting ? undefined : session.quit()));
  });
  output.afterEvent = show;
  show();
  await session.ended;
  output.afterEvent = () => {};
  lines.close();
}
