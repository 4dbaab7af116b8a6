// SPDX-License-Identifier: BSD-3-Clause
// Runs command lines, from wherever they come.
import { readFileSync } from 'node:fs';
import type { Session } from '../session.ts';
import { type Command, match } from './grammar.ts';

/** Runs one line of the prompt or of a file; refusals are printed. */
export async function runLine(
  session: Session,
  commands: readonly Command<Session>[],
  line: string,
): Promise<void> {
  if (/^\s*(#.*)?$/.test(line)) return;
  const found = match(commands, line);
  if (found.kind === 'refused') {
    session.output.print(found.message);
    return;
  }
  try {
    await found.command.run(session, found.args);
  } catch (error) {
    session.output.complain((error as Error).message);
  }
}

/** Runs the commands of a file; one that fails does not end it. */
export async function runFile(
  session: Session,
  commands: readonly Command<Session>[],
  file: string,
  echo: boolean,
): Promise<void> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    session.output.complain(`Failed to create file based cmdline context: ${file}`);
    return;
  }
  for (const line of text.split('\n')) {
    if (session.quitting) return;
    if (echo && line.trim() !== '') session.output.print(line);
    await runLine(session, commands, line);
  }
  session.output.print(`Finished reading all CLI commands from ${file}`);
}
