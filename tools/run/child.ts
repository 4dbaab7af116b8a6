// SPDX-License-Identifier: BSD-3-Clause
// A child process of a tool or a test: its output is collected, waits are bounded, and it does not outlive us: it is ended by its
// process id on stop(), when this process exits, and after `maxRunMs` whatever happens.
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { PmdError } from '../../src/errors.ts';
import { findProgram } from './programs.ts';

export interface ChildSpec {
  /** How messages name it: "vhost-pci-device". */
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its working directory; ours when left out. */
  readonly cwd?: string;
  /** A file that gets all its output, as it comes. */
  readonly log?: string;
  /** The terminal is the child's: no output is collected. */
  readonly terminal?: boolean;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/** Milliseconds that a child has to end by itself. */
const STOP_MS = 5000;
/** The number of characters of a child's output that are kept: the last ones. */
const MAX_OUTPUT = 1 << 22;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Child {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #deadline: NodeJS.Timeout;
  #log: string | undefined;
  readonly #changed = new Set<() => void>();
  readonly #lineListeners: ((line: string) => void)[] = [];
  #output = '';
  /** Characters of stdout that are not kept any more. */
  #forgotten = 0;
  #errors = '';
  #transcript = '';
  #partial = '';
  /** Exit code, signal name or spawn error; undefined while it runs. */
  exit: number | string | undefined;
  /** Resolves when it has ended, however it did. */
  readonly gone: Promise<void>;

  constructor(spec: ChildSpec) {
    this.name = spec.name;
    this.#log = spec.log;
    const [program = '', ...args] = [...boundToUs(), ...spec.command];
    this.#child = spawn(program, args, {
      stdio: spec.terminal ? 'inherit' : 'pipe',
      env: { ...process.env, ...spec.env },
      cwd: spec.cwd,
    });
    running.add(this.#child);
    this.#collect(this.#child.stdout, (text) => this.#takeOutput(text));
    this.#collect(this.#child.stderr, (text) => {
      this.#errors = keepEnd(this.#errors + text);
    });
    this.#child.stdin?.on('error', () => {}); // It may end while a line is on its way.
    this.#child.on('error', (error) => this.#ended(error.message));
    this.gone = new Promise((resolve) => {
      // 'close' comes after the last output; an 'error' may come without it.
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

  /** What it printed on stdout; of very much, the end. */
  get output(): string {
    return this.#output;
  }

  /** Characters that it has printed on stdout: the place of what comes next, for waitFor. */
  get printed(): number {
    return this.#forgotten + this.#output.length;
  }

  /** What it printed on stderr. */
  get errors(): string {
    return this.#errors;
  }

  /** What it printed on both streams, as it came; of very much, the end. */
  get transcript(): string {
    return this.#transcript;
  }

  /** Calls back for each whole line of stdout from now on. */
  onLine(listener: (line: string) => void): void {
    this.#lineListeners.push(listener);
  }

  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Waits until stdout after character `from` matches; VPCI_CHILD when it ends before, or after `ms`. */
  waitFor(pattern: RegExp, ms: number, from = 0): Promise<RegExpExecArray> {
    return this.read((text) => pattern.exec(text), ms, `"${pattern.source}"`, from);
  }

  /** Waits until `parse` finds something in stdout after character `from`, and returns it; `what` names it, as for until(). */
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

  /** Waits until `condition` holds, checked on every output and every 20 ms. `what`, a noun, is what an error says was waited for. */
  async until(condition: () => boolean, ms: number, what: string): Promise<void> {
    const end = performance.now() + ms;
    while (!condition()) {
      if (this.exit !== undefined) throw this.failure(`ended (${this.exit}) before ${what} came`);
      if (performance.now() > end) throw this.failure(`timed out after ${ms / 1000} s waiting for ${what}`);
      await this.#change(20);
    }
  }

  /** Waits for its end; false when it still runs after `ms`. */
  async ended(ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    while (this.exit === undefined && performance.now() < end) await this.#change(end - performance.now());
    return this.exit !== undefined;
  }

  /** Holds all its threads where they are, until resume() or stop(). */
  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** True while a signal holds all its threads: pause(), or a SIGSTOP or SIGTSTP of somebody else. */
  get halted(): boolean {
    return this.exit === undefined && this.pid !== undefined && stateOf(this.pid) === 'T';
  }

  /** Ends it as a user would, by force when it ignores that. Safe to call twice. */
  async stop(): Promise<void> {
    this.signal('SIGINT');
    this.resume();
    if (!(await this.ended(STOP_MS))) await this.kill();
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended(STOP_MS);
  }

  signal(name: NodeJS.Signals): void {
    if (this.exit === undefined) this.#child.kill(name);
  }

  /** A one-line error that quotes its last message, from stderr if it printed any there. */
  failure(what: string): PmdError {
    const lines = (text: string) =>
      text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean);
    const said = lines(this.#errors).at(-1) ?? lines(this.#output).at(-1);
    return new PmdError('VPCI_CHILD', `${this.name} ${what}${said ? `; last message: ${said}` : ''}`);
  }

  #collect(stream: NodeJS.ReadableStream | null, take: (text: string) => void): void {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => {
      take(text);
      this.#transcript = keepEnd(this.#transcript + text);
      this.#keep(text);
      this.#wake();
    });
  }

  /** A disk that is full costs the log, not the run. */
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

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      const changed = this.#changed;
      changed.add(done);
      function done(): void {
        clearTimeout(timer);
        changed.delete(done);
        resolve();
      }
    });
  }

  #wake(): void {
    for (const done of [...this.#changed]) done();
  }

  #ended(how: number | string): void {
    this.exit ??= how;
    running.delete(this.#child);
    clearTimeout(this.#deadline);
    this.#wake();
  }
}

const keepEnd = (text: string): string => (text.length > 2 * MAX_OUTPUT ? text.slice(-MAX_OUTPUT) : text);

/** The letter of proc_pid_stat(5), behind the name, which may hold anything; undefined when it is gone. */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  } catch {
    return undefined;
  }
}

/** A wrapper that execs and has the kernel end the child when this process is killed outright. */
function boundToUs(): string[] {
  return findProgram('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];
}
