// SPDX-License-Identifier: BSD-3-Clause
// A child process of a tool or a test. Its output is collected, every wait is bounded, and it does not
// outlive us: it is ended by its process id on stop(), when this process exits, and in any case after
// `maxRunMs`. The terminal's keys do not reach it, unless it was given the terminal: Ctrl-C ends us, who end
// our children in order; Ctrl-Z stops them with us.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { PmdError } from '../../src/errors.ts';
import { findProgram } from './programs.ts';
import { Waiters } from './waiters.ts';

export interface ChildSpec {
  /** How messages name it: "vhost-pci-device". */
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its working directory; ours when left out. */
  readonly cwd?: string;
  /** File that receives all its output as it arrives. */
  readonly log?: string;
  /** The child inherits the terminal: no output is collected. */
  readonly terminal?: boolean;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/** Not NodeJS.Signals: the package declares Child to applications that have no @types/node. */
export type SignalName =
  `SIG${'CONT' | 'HUP' | 'INT' | 'KILL' | 'QUIT' | 'STOP' | 'TERM' | 'TSTP' | 'USR1' | 'WINCH'}`;

/** Milliseconds that a child has to exit by itself. */
const STOP_MS = 5000;
/** Number of trailing characters of a child's output that are kept. */
const MAX_OUTPUT = 1 << 22;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
process.on('SIGTSTP', () => {
  for (const child of running) child.kill('SIGSTOP');
  process.once('SIGCONT', () => {
    for (const child of running) child.kill('SIGCONT');
  });
  process.kill(process.pid, 'SIGSTOP');
});

export class Child {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #deadline: NodeJS.Timeout;
  #log: string | undefined;
  readonly #waiters = new Waiters();
  readonly #lineListeners: ((line: string) => void)[] = [];
  #output = '';
  /** Leading characters of stdout that have been discarded. */
  #forgotten = 0;
  #errors = '';
  #transcript = '';
  #partial = '';
  #paused = false;
  /** Exit code, signal name or spawn error; undefined while the child runs. */
  exit: number | string | undefined;
  /** Resolves when the child has ended for any reason. */
  readonly gone: Promise<void>;

  constructor(spec: ChildSpec) {
    this.name = spec.name;
    this.#log = spec.log;
    const [program = '', ...args] = [...boundToUs(), ...spec.command];
    this.#child = spawn(program, args, {
      stdio: spec.terminal ? 'inherit' : 'pipe',
      detached: !spec.terminal,
      env: { ...process.env, ...spec.env },
      cwd: spec.cwd,
    });
    running.add(this.#child);
    this.#collect(this.#child.stdout, (text) => this.#takeOutput(text));
    this.#collect(this.#child.stderr, (text) => {
      this.#errors = keepEnd(this.#errors + text);
    });
    this.#child.stdin?.on('error', () => {}); // The child may exit while a line is being written.
    this.#child.on('error', (error) => this.#ended(error.message));
    this.gone = new Promise((resolve) => {
      // 'close' follows the last output; after an 'error' it may never come.
      this.#child.once('close', (code, signal) => {
        this.#ended(code ?? signal ?? 'unknown');
        resolve();
      });
      this.#child.once('error', () => resolve());
    });
    this.#deadline = setTimeout(() => this.#child.kill('SIGKILL'), spec.maxRunMs);
    this.#deadline.unref();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What it printed on stdout; only the end if the output is very long. */
  get output(): string {
    return this.#output;
  }

  /** Number of characters printed on stdout so far: the position of the next output, for waitFor(). */
  get printed(): number {
    return this.#forgotten + this.#output.length;
  }

  /** What it printed on stderr. */
  get errors(): string {
    return this.#errors;
  }

  /** What it printed on both streams, in order of arrival; only the end if the output is very long. */
  get transcript(): string {
    return this.#transcript;
  }

  /** Calls `listener` for each complete line of stdout from now on. */
  onLine(listener: (line: string) => void): void {
    this.#lineListeners.push(listener);
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /**
   * Waits until stdout after position `from` matches. Throws VPCI_CHILD if the child exits first, or after
   * `ms`.
   */
  waitFor(pattern: RegExp, ms: number, from = 0): Promise<RegExpExecArray> {
    return this.read((text) => pattern.exec(text), ms, `"${pattern.source}"`, from);
  }

  /**
   * Waits until `parse` finds a result in stdout after position `from`, and returns it; `what` is as for
   * until().
   */
  async read<T>(
    parse: (text: string) => T | null | undefined,
    ms: number,
    what: string,
    from = 0,
  ): Promise<T> {
    let found: T | null | undefined;
    const there = () => {
      found = parse(this.#output.slice(Math.max(0, from - this.#forgotten)));
      return found !== null && found !== undefined;
    };
    await this.until(there, ms, what);
    return found as T;
  }

  /**
   * Waits until `condition` holds, checked on every output and every 20 ms. `what` is the noun with which an
   * error names what was waited for.
   */
  async until(condition: () => boolean, ms: number, what: string): Promise<void> {
    const end = performance.now() + ms;
    while (!condition()) {
      if (this.exit !== undefined) throw this.failure(`ended (${this.exit}) before ${what} came`);
      if (performance.now() > end) throw this.failure(`timed out after ${ms / 1000} s waiting for ${what}`);
      await this.#waiters.wait(20);
    }
  }

  /** Waits for the child to end; false if it is still running after `ms`. */
  async ended(ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    while (this.exit === undefined && performance.now() < end)
      await this.#waiters.wait(end - performance.now());
    return this.exit !== undefined;
  }

  /** Stops all its threads where they are, until resume() or stop(). */
  pause(): void {
    this.#paused = true;
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.#paused = false;
    this.signal('SIGCONT');
  }

  /** True between pause() and resume(): the stop is ours. */
  get paused(): boolean {
    return this.#paused;
  }

  /** True while a signal holds all its threads: pause(), or a SIGSTOP or SIGTSTP from another process. */
  get halted(): boolean {
    return this.exit === undefined && this.pid !== undefined && stateOf(this.pid) === 'T';
  }

  /** Interrupts it as a user would, and kills it if it ignores that. Safe to call twice. */
  async stop(): Promise<void> {
    this.signal('SIGINT');
    this.resume();
    if (!(await this.ended(STOP_MS))) await this.kill();
  }

  /** Kills it. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended(STOP_MS);
  }

  signal(name: SignalName): void {
    if (this.exit === undefined) this.#child.kill(name);
  }

  /**
   * A one-line error that quotes the child's last message: from stderr if it printed any there, else from
   * stdout.
   */
  failure(what: string): PmdError {
    const lines = (text: string) =>
      text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);
    const said = lastMessage(lines(this.#errors)) ?? lastMessage(lines(this.#output));
    return new PmdError('VPCI_CHILD', `${this.name} ${what}${said ? `; last message: ${said}` : ''}`);
  }

  #collect(stream: NodeJS.ReadableStream | null, take: (text: string) => void): void {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      take(text);
      this.#transcript = keepEnd(this.#transcript + text);
      this.#keep(text);
      this.#waiters.wake();
    });
  }

  /** A full disk costs the log, not the run. */
  #keep(text: string): void {
    if (this.#log === undefined) return;
    try {
      appendFileSync(this.#log, text);
    } catch {
      this.#log = undefined;
    }
  }

  #takeOutput(text: string): void {
    const all = this.#output + text;
    this.#output = keepEnd(all);
    this.#forgotten += all.length - this.#output.length;
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) for (const listener of this.#lineListeners) listener(line);
  }

  #ended(how: number | string): void {
    this.exit ??= how;
    running.delete(this.#child);
    clearTimeout(this.#deadline);
    this.#waiters.wake();
  }
}

/**
 * The line that says what happened. Node's report of an uncaught error shows the source with a caret, the
 * message, the stack and Node's version; V8's report of a fatal error has the message after its first line.
 */
function lastMessage(lines: readonly string[]): string | undefined {
  const fatal = lines.findIndex((line) => /^# Fatal error in|^FATAL ERROR:/.test(line));
  if (fatal >= 0) return lines[lines[fatal]?.startsWith('#') ? fatal + 1 : fatal]?.replace(/^# */, '');
  const crashed = /^Node\.js v\d/.test(lines.at(-1) ?? '');
  const caret = crashed ? lines.findLastIndex((line) => /^\^+$/.test(line)) : -1;
  return caret >= 0 ? lines[caret + 1] : lines.at(-1);
}

const keepEnd = (text: string): string => (text.length > 2 * MAX_OUTPUT ? text.slice(-MAX_OUTPUT) : text);

/**
 * The state letter of proc_pid_stat(5). It follows the process name, which may contain anything. Undefined
 * when the process is gone.
 */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  } catch {
    return undefined;
  }
}

/** A wrapper that execs the command and has the kernel kill the child if this process is killed outright. */
function boundToUs(): string[] {
  return findProgram('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];
}
