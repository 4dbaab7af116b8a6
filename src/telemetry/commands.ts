// SPDX-License-Identifier: BSD-3-Clause
// Commands of DPDK's telemetry, version 2: a name, a help text, and a function that answers. `/`, `/info`
// and `/help` are part of the protocol, and so of every table.
import { packageVersion } from '../package-root.ts';

/** What an answer may be; a bigint is written as the number that it is. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface TelemetryCommand {
  /** Letters, digits, `_` and `/`, from `/`. */
  readonly name: string;
  /** Shorter than 128 characters. */
  readonly help: string;
  /**
   * `params` is what stands behind the first comma. Undefined: the command fails, and the client reads null.
   */
  answer(params: string | undefined): Json | undefined;
}

/** Bytes of the longest reply. */
export const MAX_OUTPUT = 16_384;
/** Bytes of a request that are read; the rest is lost, as in DPDK. */
export const MAX_REQUEST = 1023;
/** Of a command's name. */
const MAX_COMMAND = 55;

export class CommandTable {
  readonly #commands = new Map<string, TelemetryCommand>();

  constructor(commands: readonly TelemetryCommand[]) {
    for (const command of [...commands, ...this.#own()]) this.#commands.set(command.name, command);
  }

  /** The key and value of the reply to a request. */
  answer(request: string): { readonly key: string; readonly value: Json } {
    // As strtok does: commas before the command are passed, and a request ends at a NUL.
    const text = (request.split('\0', 1)[0] ?? '').replace(/^,+/, '');
    if (text === '') return { key: 'none', value: null };
    const comma = text.indexOf(',');
    const name = comma < 0 ? text : text.slice(0, comma);
    const params = comma < 0 || comma + 1 === text.length ? undefined : text.slice(comma + 1);
    const command = name.length > MAX_COMMAND ? undefined : this.#commands.get(name);
    return { key: name.slice(0, MAX_COMMAND + 1), value: answerOf(command, params) };
  }

  /** What a client reads first. */
  info(): JsonObject {
    return { version: `vhost-pci-pmd ${packageVersion()}`, pid: process.pid, max_output_len: MAX_OUTPUT };
  }

  #own(): TelemetryCommand[] {
    return [
      {
        name: '/',
        help: 'Returns list of available commands, Takes no parameters',
        answer: () => [...this.#commands.keys()].sort(),
      },
      {
        name: '/info',
        help: 'Returns DPDK Telemetry information. Takes no parameters',
        answer: () => this.info(),
      },
      {
        name: '/help',
        help: 'Returns help text for a command. Parameters: string command',
        answer: (params) => this.#help(params),
      },
    ];
  }

  #help(params: string | undefined): Json | undefined {
    const help = this.#commands.get(params ?? '/help')?.help;
    if (help === undefined) return undefined;
    return params === undefined ? help : { [params]: help };
  }
}

/** A port may be closed, a device gone: whatever a command meets, its client reads null and goes on. */
function answerOf(command: TelemetryCommand | undefined, params: string | undefined): Json {
  try {
    return command?.answer(params) ?? null;
  } catch {
    return null;
  }
}
