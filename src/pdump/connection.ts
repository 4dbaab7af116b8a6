// SPDX-License-Identifier: BSD-3-Clause
// A capture program's connection to a process. Requests are answered within milliseconds, or the process is
// in trouble; so they are made one after another and waited for. The event loop is blocked meanwhile, so a
// wait looks for signals itself.
import { join } from 'node:path';
import { failedTo, PmdError } from '../errors.ts';
import { native } from '../native.ts';
import { runtimeFolder } from '../telemetry/socket-path.ts';
import {
  type Counted,
  type Greeting,
  type ListedPort,
  MAX_REPLY,
  PDUMP_SOCKET,
  PROTOCOL,
  type Started,
  type StartRequest,
} from './protocol.ts';

const PATIENCE_MS = 5000;
/** Between two looks at signals; a process that is well has answered. */
const SLICE_MS = 100;
/** After which the user is told of a wait. */
const TELL_MS = 500;
const NO_ANSWER = 'what it answers is not the protocol of captures';

/** The socket of a process: "rte", or "rte:1" for the second one of that prefix. */
export function pdumpPath(prefix: string): string {
  const [, name = prefix, instance = ''] = /^(.*?)(:\d+)?$/.exec(prefix) ?? [];
  return join(runtimeFolder(name), PDUMP_SOCKET + instance);
}

/** The path alone does not say which process is meant. */
function hint(error: unknown, prefix: string): string {
  const { code } = error as { code?: string };
  if (code !== 'ENOENT' && code !== 'ECONNREFUSED') return '';
  return ` (is one with --file-prefix ${prefix} running, without --no-telemetry?)`;
}

export class PdumpConnection {
  readonly path: string;
  readonly #fd: number;
  readonly #reply = Buffer.alloc(MAX_REPLY);
  readonly #tell: (line: string) => void;
  /** Why there is no further answer: one that comes late would be taken for that of the next request. */
  #lost: PmdError | null = null;

  /**
   * Connects. Throws a PmdError that names the socket; here and in all calls EINTR once a signal for which
   * there is a listener has ended a wait. `tell` is told, once each, of waits that take long.
   */
  constructor(prefix: string, tell: (line: string) => void = () => {}) {
    this.#tell = tell;
    this.path = pdumpPath(prefix);
    try {
      this.#fd = native.unixConnect(this.path, true);
    } catch (error) {
      throw failedTo(`reach a process at ${this.path}${hint(error, prefix)}`, error);
    }
    let greeting: Partial<Greeting>;
    try {
      greeting = this.#receive(0).value as Partial<Greeting>;
    } catch (error) {
      this.close();
      throw error;
    }
    const { protocol, version } = greeting;
    if (protocol === PROTOCOL) return;
    this.close();
    throw new PmdError(
      'EPROTO',
      `Failed to capture at ${this.path}: version ${version} speaks another protocol`,
    );
  }

  list(): ListedPort[] {
    const { value } = this.#ask({ command: 'list' });
    if (!Array.isArray(value)) throw this.#failure(NO_ANSWER);
    return value as ListedPort[];
  }

  /** Begins to capture a port; the caller owns `fd`, the file of the rings. */
  start(request: Omit<StartRequest, 'command'>): Started & { readonly fd: number } {
    const { value, fds } = this.#ask({ command: 'start', ...request }, 1);
    return { ...(value as Started), fd: fds[0] as number };
  }

  status(port: number): Counted {
    return this.#ask({ command: 'status', port }).value as Counted;
  }

  stop(port: number): Counted {
    return this.#ask({ command: 'stop', port }).value as Counted;
  }

  close(): void {
    native.close(this.#fd);
  }

  #ask(request: object, fds = 0): { readonly value: unknown; readonly fds: number[] } {
    if (this.#lost !== null) throw this.#lost;
    try {
      native.sendMessage(this.#fd, Buffer.from(JSON.stringify(request)), []);
    } catch (error) {
      throw failedTo(`reach the process at ${this.path}`, error);
    }
    const reply = this.#receive(fds);
    const { error } = reply.value as { error?: unknown };
    if (error !== undefined) throw new PmdError('EINVAL', `The process at ${this.path} refuses: ${error}`);
    return reply;
  }

  #receive(maxFds: number): { readonly value: unknown; readonly fds: number[] } {
    this.#await();
    let received: ReturnType<typeof native.receiveMessage>;
    try {
      received = native.receiveMessage(this.#fd, this.#reply, maxFds);
    } catch (error) {
      throw failedTo(`reach the process at ${this.path}`, error);
    }
    if (received === null || received.bytes === 0) throw this.#failure('it is gone');
    const value = objectIn(this.#reply.toString('utf8', 0, received.bytes));
    if (value !== null) return { value, fds: received.fds };
    for (const fd of received.fds) native.close(fd);
    throw this.#failure(NO_ANSWER);
  }

  #await(): void {
    const began = performance.now();
    let told = false;
    while (!native.pollFd(this.#fd, 'in', SLICE_MS)) {
      const waited = performance.now() - began;
      if (native.endSignalWaits()) this.#lost = this.#failure('a signal ended the wait for it', 'EINTR');
      else if (waited > PATIENCE_MS)
        this.#lost = this.#failure(`no answer for ${PATIENCE_MS / 1000} seconds`);
      if (this.#lost !== null) throw this.#lost;
      if (told || waited < TELL_MS) continue;
      told = true;
      this.#tell(`Waiting for an answer of the process at ${this.path}; Ctrl-C ends the wait`);
    }
  }

  #failure(why: string, code: 'ECONNRESET' | 'EINTR' = 'ECONNRESET'): PmdError {
    return new PmdError(code, `Failed to reach the process at ${this.path}: ${why}`);
  }
}

/** Whether a signal ended the wait for an answer. */
export const isInterrupt = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EINTR';

/** An object or a list; null if the text is none. */
function objectIn(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
