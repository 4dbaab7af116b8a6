// SPDX-License-Identifier: BSD-3-Clause
// Two consoles for the user: side by side in tmux if it is installed, else two commands for two terminals.
import { writeSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '../run/child.ts';
import { findProgram } from '../run/programs.ts';
import { runToEnd } from './command.ts';
import type { Machine } from './machine.ts';

const TMUX_MS = 10_000;

/** The command that attaches a terminal to a machine's console. */
export function consoleCommand(machine: Pane['machine']): string[] {
  const extension = extname(new URL(import.meta.url).pathname);
  const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  const main = fileURLToPath(new URL(`./console${extension}`, import.meta.url));
  return [process.execPath, ...loader, main, machine.paths.console];
}

export function tmuxUsable(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true && findProgram('tmux') !== undefined;
}

/** Where the logs are. */
export const logsOf = (folder: string): string =>
  `logs of the consoles, of QEMU and of the device model: ${folder}`;

/** Prints a line as the last thing, even when a signal ends this process. */
export function sayAtExit(line: string): void {
  process.once('exit', () => {
    try {
      writeSync(process.stdout.fd, `${line}\n`);
    } catch {
      // stdout has no reader.
    }
  });
}

/** Key hints for users who are new to tmux. */
export const TMUX_KEYS =
  'Ctrl-b o, or a click, changes to the other machine; Ctrl-] leaves a console; Ctrl-b d ends both machines.';

export interface Pane {
  readonly machine: { readonly paths: Pick<Machine['paths'], 'console'> };
  /** Lines shown above its console. */
  readonly hint: readonly string[];
}

/** Uses this terminal until both consoles are left or the session is detached. */
export async function showInTmux(shown: readonly Pane[], maxRunMs: number): Promise<void> {
  // A separate server, unaffected by the user's tmux and its settings.
  const server = ['tmux', '-L', `vhost-pci-${process.pid}`, '-f', '/dev/null'];
  const tmux = new Child({
    name: 'tmux',
    command: ['env', '-u', 'TMUX', ...server, ...tmuxWords(shown)],
    terminal: true,
    maxRunMs,
  });
  try {
    await tmux.ended(maxRunMs);
  } finally {
    await tmux.stop();
    // The server has already exited if both consoles were left.
    await runToEnd('tmux', [...server, 'kill-server'], TMUX_MS).catch(() => {});
  }
}

/** tmux's arguments: a pane per machine, with its hints above its console. */
export function tmuxWords(shown: readonly Pane[]): string[] {
  const panes = shown.map(({ machine, hint }) => {
    const lines = [TMUX_KEYS, ...hint];
    const [text, command] = [lines, consoleCommand(machine)].map((words) => words.map(quote).join(' '));
    return `printf '%s\\n' ${text}; exec ${command}`;
  });
  const split = panes.flatMap((pane, i) =>
    i === 0 ? ['new-session', pane] : [';', 'split-window', '-h', pane],
  );
  return [...split, ';', 'set', '-g', 'mouse', 'on', ';', 'select-pane', '-t', '0'];
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
