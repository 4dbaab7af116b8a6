// SPDX-License-Identifier: BSD-3-Clause
// Runs command lines, from wherever they come.
//
// `load` does not run a file inside its own command: it puts the file on a stack, whose lines then run one by one like typed ones. So a signal,
// an event of a port and a reader of the output that needs time each get their turn between two lines.
import { setImmediate as turn } from 'node:timers/promises';
import type { Session } from '../session.ts';
import { readCommandFile } from './command-file.ts';
import { type Command, match } from './grammar.ts';

/** Files that may load one another. */
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
  /** The innermost file is the last one. */
  readonly #open: OpenFile[] = [];
  #requested: { path: string; echo: boolean } | null = null;

  constructor(session: Session, commands: readonly Command<Session>[]) {
    this.#session = session;
    this.#commands = commands;
    session.onLoad = (path, echo) => {
      this.#requested = { path, echo };
    };
  }

  /** Runs one line of the prompt, and the files that it loads; refusals are printed. Not while another one runs. */
  async runLine(line: string, echo = false): Promise<void> {
    await this.#execute(line, echo);
    await this.#runOpen();
  }

  /** Runs the commands of a file; one that fails does not end it. */
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
        output.print(`Finished reading all CLI commands from ${file.path}`);
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
      // Going on with the others would start the same over, for ever in effect.
      this.#open.length = 0;
      output.complain(
        `Failed to load ${path}: command files load one another more than ${MAX_DEPTH} deep; all of them end here`,
      );
      return;
    }
    try {
      this.#open.push({ path, echo, lines: await readCommandFile(path, hurried), next: 0 });
    } catch (error) {
      output.complain(`Failed to create file based cmdline context: ${path} (${(error as Error).message})`);
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
