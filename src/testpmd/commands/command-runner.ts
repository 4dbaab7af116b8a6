// SPDX-License-Identifier: BSD-3-Clause
// Runs command lines from the prompt and from command files.
//
// `load` does not run a file within its own command: it pushes the file onto a stack, and its lines then run
// one by one like typed ones. So signals, port events and a slow reader of the output are handled between
// lines.
import { setImmediate as turn } from 'node:timers/promises';
import { oneLine } from '../../errors.ts';
import type { Session } from '../session.ts';
import { readCommandFile } from './command-file.ts';
import { type Command, match } from './grammar.ts';

/** Maximum nesting depth of command files. */
export const MAX_DEPTH = 16;

interface OpenFile {
  readonly path: string;
  readonly echo: boolean;
  readonly lines: readonly string[];
  next: number;
}

export class CommandRunner {
  readonly #session: Session;
  readonly #commands: readonly Command<Session>[];
  /** The innermost file is last. */
  readonly #open: OpenFile[] = [];
  #requested: { path: string; echo: boolean } | null = null;

  constructor(session: Session, commands: readonly Command<Session>[]) {
    this.#session = session;
    this.#commands = commands;
    session.onLoad = (path, echo) => {
      this.#requested = { path, echo };
    };
  }

  /**
   * Runs a line from the prompt and the files it loads, printing errors. Must not be called while another
   * line runs.
   */
  async runLine(line: string, echo = false): Promise<void> {
    await this.#execute(line, echo);
    await this.#runOpen();
  }

  /** Runs the commands of a file, continuing after commands that fail. */
  async runFile(path: string, echo: boolean): Promise<void> {
    this.#requested = { path, echo };
    await this.#runOpen();
  }

  async #runOpen(): Promise<void> {
    const { output } = this.#session;
    for (;;) {
      await this.#openRequested();
      const file = this.#open.at(-1);
      if (file === undefined) return;
      const line = file.lines[file.next++];
      if (line === undefined) {
        this.#open.pop();
        output.print(oneLine(`Finished reading all CLI commands from ${file.path}`));
        continue;
      }
      await this.#session.untilHurried(Promise.all([turn(), output.room()]));
      if (this.#session.quitting) return;
      await this.#execute(line, file.echo && line.trim() !== '');
    }
  }

  async #openRequested(): Promise<void> {
    const { output, hurried } = this.#session;
    const requested = this.#requested;
    this.#requested = null;
    if (requested === null || this.#session.quitting) return;
    const { path, echo } = requested;
    if (this.#open.length === MAX_DEPTH) {
      // Continuing the outer files would load the same ones again, practically forever.
      this.#open.length = 0;
      output.complain(
        `Failed to load ${path}: command files are nested more than ${MAX_DEPTH} deep; all of them are abandoned`,
      );
      return;
    }
    try {
      this.#open.push({ path, echo, lines: await readCommandFile(path, hurried), next: 0 });
    } catch (error) {
      const what = `${path} (${(error as Error).message})`;
      output.complain(oneLine(`Failed to create file based cmdline context: ${what}`));
    }
  }

  async #execute(line: string, echo: boolean): Promise<void> {
    await this.#session.serialize(async () => {
      if (this.#session.quitting) return;
      if (echo) this.#session.output.print(line);
      if (/^\s*(#.*)?$/.test(line)) return;
      const found = match(this.#commands, line);
      if (found.kind === 'refused') {
        this.#session.output.print(found.message);
        return;
      }
      try {
        await found.command.run(this.#session, found.args);
      } catch (error) {
        this.#session.output.complain((error as Error).message);
      }
    });
  }
}
