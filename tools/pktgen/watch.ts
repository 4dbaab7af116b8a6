// SPDX-License-Identifier: BSD-3-Clause
// --watch: the live page of a generator that another process runs, by its telemetry socket. It only looks.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failedTo, PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { MAX_OUTPUT } from '../../src/telemetry/commands.ts';
import { runtimeFolder, SOCKET_NAME } from '../../src/telemetry/socket-path.ts';
import { print, printed } from '../run/output.ts';
import type { Interrupt } from './interrupt.ts';
import { keyPressed, LivePage, pageLines } from './live.ts';
import type { Options } from './options.ts';
import type { StreamResult, TrialResult } from './result.ts';
import { STATS, STREAMS } from './telemetry.ts';
import { periodLine } from './text.ts';
import { LIVE_PERIOD, type LiveState, writePage } from './view.ts';

const KEYS = 'keys: q leave (the generator goes on)';
/** Milliseconds that a generator may take to answer; its main thread may have little of its CPU. */
const PATIENCE_MS = 10_000;
const POLL_MS = 20;

/** "NAME" or "NAME:1", the second process of that name. */
export function socketOf(watched: string): string {
  const [, prefix = '', instance] = /^(.*?)(?::(\d+))?$/.exec(watched) ?? [];
  const name = instance === undefined || instance === '0' ? SOCKET_NAME : `${SOCKET_NAME}:${instance}`;
  return join(runtimeFolder(prefix), name);
}

/** Returns the exit status, once the generator has ended or Ctrl-C was pressed. */
export async function runWatch(options: Options, interrupt: Interrupt): Promise<number> {
  const watched = options.watch as string;
  const socket = await Questions.open(watched);
  const isPage = !options.plain && LivePage.possible;
  const page = new LivePage(writePage);
  if (isPage) page.open((key) => keyPressed(key, 1) === 'end' && interrupt.raise());
  let before: TrialResult | undefined;
  try {
    while (!interrupt.raised) {
      const seen = await socket.look();
      if (seen === undefined) break;
      const { state, now } = seen;
      if (isPage) page.show(pageLines(now, before, { ...state, keys: KEYS }));
      else print(periodLine(now, before, state.returns));
      before = now;
      const end = performance.now() + 1000 * (isPage ? LIVE_PERIOD : options.statsPeriod);
      while (performance.now() < end && !interrupt.raised) await sleep(POLL_MS);
    }
  } finally {
    if (isPage) page.close();
    socket.close();
  }
  await printed();
  return 0;
}

interface Seen {
  readonly state: LiveState;
  readonly now: TrialResult;
}

/** One question at a time over a socket of the telemetry protocol. */
class Questions {
  readonly #name: string;
  readonly #fd: number;
  readonly #into = Buffer.alloc(MAX_OUTPUT + 1);

  private constructor(name: string, fd: number) {
    this.#name = name;
    this.#fd = fd;
  }

  /** Throws one line that names the process. */
  static async open(name: string): Promise<Questions> {
    const path = socketOf(name);
    let fd: number;
    try {
      fd = native.unixConnect(path, true);
    } catch (error) {
      throw failedTo(`watch '${name}': no generator of that name runs (${path})`, error);
    }
    const questions = new Questions(name, fd);
    await questions.#receive();
    return questions;
  }

  /** The figures now; undefined once the generator has ended. Throws for a process that is none. */
  async look(): Promise<Seen | undefined> {
    const stats = await this.#ask(STATS);
    const streams = stats === undefined ? undefined : await this.#ask(STREAMS);
    if (stats === undefined || streams === undefined) return undefined;
    if (stats === null || streams === null)
      throw new PmdError('VPCI_ARGUMENT', `Failed to watch '${this.#name}': it is no generator`);
    const now = { ...(stats as TrialResult), streams: streams as readonly StreamResult[] };
    return { state: stats as LiveState, now };
  }

  close(): void {
    native.close(this.#fd);
  }

  async #ask(question: string): Promise<unknown> {
    try {
      native.sendMessage(this.#fd, Buffer.from(question), []);
    } catch {
      return undefined;
    }
    const reply = await this.#receive();
    return reply === undefined ? undefined : (JSON.parse(reply) as Record<string, unknown>)[question];
  }

  /** The next message; undefined if the other end has closed. */
  async #receive(): Promise<string | undefined> {
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end) {
      try {
        const received = native.receiveMessage(this.#fd, this.#into, 0);
        if (received?.bytes === 0) return undefined;
        if (received) return this.#into.toString('utf8', 0, received.bytes);
      } catch {
        return undefined;
      }
      await sleep(POLL_MS);
    }
    const cause = `no answer within ${PATIENCE_MS / 1000} s`;
    throw new PmdError('VPCI_NO_TRAFFIC', `Failed to watch '${this.#name}': ${cause}`);
  }
}
