// SPDX-License-Identifier: BSD-3-Clause
// --watch: the live page of a generator that another process runs, by its telemetry socket. It only looks.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failedTo, oneLine, PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
import { MAX_OUTPUT } from '../../src/telemetry/commands.ts';
import { runtimeFolder, SOCKET_NAME } from '../../src/telemetry/socket-path.ts';
import { print, printed } from '../run/output.ts';
import type { Interrupt } from './interrupt.ts';
import { isEnd } from './keys.ts';
import { LivePage, pageLines } from './live.ts';
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
  const socket = await Questions.open(watched, interrupt);
  const isPage = !options.plain && LivePage.possible;
  const page = new LivePage(writePage);
  if (isPage) page.open((keys) => keys.some(isEnd) && interrupt.raise());
  let before: TrialResult | undefined;
  try {
    while (!interrupt.raised) {
      const seen = await socket.look();
      if (seen === undefined) break;
      const { state, now } = seen;
      if (isPage) page.show(pageLines(now, before, { ...state, footer: KEYS }));
      else print(oneLine(periodLine(now, before, state)));
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

type Answer = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Answer =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const areNumbers = (of: unknown, keys: readonly string[], orNull = false): of is Answer =>
  isObject(of) && keys.every((key) => typeof of[key] === 'number' || (orNull && (of[key] ?? null) === null));

const TIMES = ['minNs', 'p50Ns', 'p99Ns', 'p999Ns', 'maxNs'];

/** Whether an answer has what is shown of it: what answers at the socket may be any program. */
function isSeen(stats: unknown): stats is TrialResult & LiveState {
  return (
    areNumbers(stats, ['seconds', 'offered', 'sent', 'unsent', 'txBytes', 'factor']) &&
    areNumbers(stats, ['received', 'inFlight', 'lost', 'reordered', 'duplicates'], true) &&
    typeof stats.headline === 'string' &&
    Array.isArray(stats.stopped) &&
    stats.stopped.every(Number.isInteger) &&
    (stats.latency === null || areNumbers(stats.latency, TIMES)) &&
    (stats.gaps === null || areNumbers(stats.gaps, ['medianNs', 'p99Ns'])) &&
    areNumbers(stats.stalls, ['count', 'longestUs'])
  );
}

const areStreams = (streams: unknown): streams is readonly StreamResult[] =>
  Array.isArray(streams) &&
  streams.every((stream) => areNumbers(stream, ['sent', 'unsent']) && typeof stream.name === 'string');

interface Seen {
  readonly state: LiveState;
  readonly now: TrialResult;
}

/** One question at a time over a socket of the telemetry protocol. */
class Questions {
  readonly #name: string;
  readonly #fd: number;
  readonly #interrupt: Interrupt;
  readonly #into = Buffer.alloc(MAX_OUTPUT + 1);

  private constructor(name: string, fd: number, interrupt: Interrupt) {
    this.#name = name;
    this.#fd = fd;
    this.#interrupt = interrupt;
  }

  /** Throws one line that names the process. */
  static async open(name: string, interrupt: Interrupt): Promise<Questions> {
    const path = socketOf(name);
    let fd: number;
    try {
      fd = native.unixConnect(path, true);
    } catch (error) {
      throw failedTo(`watch '${name}': no generator of that name runs (${path})`, error);
    }
    const questions = new Questions(name, fd, interrupt);
    try {
      await questions.#greeting();
    } catch (error) {
      questions.close();
      throw error;
    }
    return questions;
  }

  /**
   * The figures now; undefined once the generator has ended, or nobody wants them. Throws for a process that
   * is none.
   */
  async look(): Promise<Seen | undefined> {
    const stats = await this.#ask(STATS);
    if (stats === undefined) return undefined;
    if (!isSeen(stats)) throw this.#failure('it is no generator');
    const streams = await this.#ask(STREAMS);
    if (streams === undefined) return undefined;
    if (!areStreams(streams)) throw this.#failure('it is no generator');
    return { state: stats, now: { ...stats, streams } };
  }

  /** Without one, the other end is busy or no telemetry at all. */
  async #greeting(): Promise<void> {
    const text = await this.#receive();
    if (text === undefined && this.#interrupt.raised) return;
    if (text === undefined)
      throw this.#failure('the connection was closed at once: as many as it takes are connected already');
    if (!isObject(this.#parsed(text))) throw this.#failure('it is no generator');
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#failure('it is no generator: what it says is not JSON');
    }
  }

  #failure(cause: string): PmdError {
    return new PmdError('VPCI_ARGUMENT', `Failed to watch '${this.#name}': ${cause}`);
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
    if (reply === undefined) return undefined;
    const answer = this.#parsed(reply);
    return isObject(answer) ? (answer[question] ?? null) : null;
  }

  /** The next message; undefined if the other end has closed, or the user does not wait any longer. */
  async #receive(): Promise<string | undefined> {
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end) {
      if (this.#interrupt.raised) return undefined;
      try {
        const received = native.receiveMessage(this.#fd, this.#into, 0);
        if (received?.bytes === 0) return undefined;
        if (received) return this.#into.toString('utf8', 0, received.bytes);
      } catch {
        return undefined;
      }
      await sleep(POLL_MS);
    }
    const cause = `no answer within ${PATIENCE_MS / 1000} s: it is stopped, or hangs`;
    throw new PmdError('VPCI_NO_TRAFFIC', `Failed to watch '${this.#name}': ${cause}`);
  }
}
