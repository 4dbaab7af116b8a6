// SPDX-License-Identifier: BSD-3-Clause
// Two consoles for a person: side by side in tmux where there is one, else by two commands for two terminals.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from '../run/child.ts';
import { findProgram } from '../run/programs.ts';
import { runToEnd } from './command.ts';
import type { Machine } from './machine.ts';

const TMUX_MS = 10_000;

/** The command that attaches a terminal to a machine's console. */
export function consoleCommand(machine: Machine): string[] {
  const extension = extname(new URL(import.meta.url).pathname);
  const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  const main = fileURLToPath(new URL(`./console${extension}`, import.meta.url));
  return [process.execPath, ...loader, main, machine.paths.console];
}

export function tmuxUsable(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true && findProgram('tmux') !== undefined;
}

export interface Pane {
  readonly machine: Machine;
  /** Lines above its console. */
  readonly hint: readonly string[];
}

/** Takes over this terminal until both consoles are left or the session is detached. */
export async function showInTmux(shown: readonly Pane[], maxRunMs: number): Promise<void> {
  // A server of its own: the person's tmux and its settings have nothing to do with it.
  const server = ['tmux', '-L', `vhost-pci-${process.pid}`, '-f', '/dev/null'];
  const panes = shown.map(({ machine, hint }) => {
    const [lines, command] = [hint, consoleCommand(machine)].map((words) => words.map(quote).join(' '));
    return `printf '%s\\n' ${lines}; exec ${command}`;
  });
  const command = panes.flatMap((pane, i) =>
    i === 0 ? ['new-session', pane] : [';', 'split-window', '-h', pane],
  );
  const options = [';', 'set', '-g', 'mouse', 'on', ';', 'select-pane', '-t', '0'];
  const tmux = new Child({
    name: 'tmux',
    command: ['env', '-u', 'TMUX', ...server, ...command, ...options],
    terminal: true,
    maxRunMs,
  });
  try {
    await tmux.ended(maxRunMs);
  } finally {
    await tmux.stop();
    // Nothing to end when both consoles were left.
    await runToEnd('tmux', [...server, 'kill-server'], TMUX_MS).catch(() => {});
  }
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
