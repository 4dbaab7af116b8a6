// SPDX-License-Identifier: BSD-3-Clause
// Text on stdout and stderr that never blocks the event loop. process.stdout and process.stderr do: on a terminal or a pipe Node
// writes synchronously, so that a held terminal (Ctrl-S) or a reader that sleeps stops timers, sockets and signals.
//
// What finds no room is lost, is counted, and is reported at its place in the text once there is room again. What stdout does
// not take for another reason (a full disk) is lost as well: stderr says so once, and at the end, and the exit status is no longer 0; nor
// is it when stderr itself lost something.
// When the process exits, the rest is written for as long as somebody reads it, a moment at most.
import { native, type OutputQueue } from '../native.ts';

/** Bytes that wait for a reader: more than any one command of testpmd prints, for 32 ports of 128 queue pairs. */
const CAPACITY = 1 << 22;
/** After a loss nothing is taken until half of the queue is free: one report for many lines. */
const RESUME_BELOW = CAPACITY / 2;
const RESUME_POLL_MS = 100;
const SETTLE_POLL_MS = 10;
/** How long an exit waits for a reader that takes nothing, and for a slow one. */
const STALL_MS = 250;
const LIMIT_MS = 2000;
const EXIT_FAILURE = 1;

const encoder = new TextEncoder();

export class TextWriter {
  readonly #queue: OutputQueue;
  /** @internal Descriptor that it writes to. */
  readonly fd: number;
  #lineOpen = false;
  #lost = 0;
  #reported = 0;
  #resume: NodeJS.Timeout | null = null;
  #onReaderGone: () => void = () => {};
  #failed = 0;
  #error: NodeJS.ErrnoException | null = null;

  constructor(queue: OutputQueue, fd: number) {
    this.#queue = queue;
    this.fd = fd;
  }

  /** Lines that were not written since nobody read the ones before. */
  get lost(): number {
    return this.#lost;
  }

  /** The first error by which output was lost, a reader that went away apart. */
  get error(): NodeJS.ErrnoException | null {
    return this.#error;
  }

  /** Lines that were lost by errors. */
  get failed(): number {
    return this.#failed;
  }

  /** Calls `then` each time that a write finds the reader gone, as behind `| head`. */
  onReaderGone(then: () => void): void {
    this.#onReaderGone = then;
  }

  /** Never blocks, never throws. */
  write(text: string): void {
    if (text.length === 0) return;
    if (this.#report() && this.#put(text)) return;
    this.#lost += Math.max(text.split('\n').length - 1, 1);
    this.#resume ??= setInterval(() => this.#report(), RESUME_POLL_MS).unref();
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  /**
   * Resolves once no more than `bytes` wait for the reader, or it is gone, or has taken nothing for `stallMs`: for whoever writes much
   * and wants nothing lost.
   */
  async settled(bytes = 0, stallMs = Number.POSITIVE_INFINITY): Promise<void> {
    let before = this.#queue.pending();
    for (let stalled = 0; before > bytes && stalled < stallMs; stalled += SETTLE_POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
      const pending = this.#queue.pending();
      if (pending !== before) stalled = 0;
      before = pending;
    }
  }

  /** @internal True for the first error. */
  fail(error: NodeJS.ErrnoException, lines: number): boolean {
    if (error.code === 'EPIPE') {
      this.#onReaderGone();
      return false;
    }
    this.#failed += lines;
    const first = this.#error === null;
    this.#error ??= error;
    return first;
  }

  /** True when nothing is lost that was not reported. */
  #report(): boolean {
    if (!this.#resume) return true;
    if (this.#queue.pending() >= RESUME_BELOW) return false;
    const lines = this.#lost - this.#reported;
    const text = `(${lines} ${lines === 1 ? 'line was' : 'lines were'} lost here: the output was not read)\n`;
    if (!this.#put(this.#lineOpen ? `\n${text}` : text)) return false;
    this.#reported = this.#lost;
    clearInterval(this.#resume);
    this.#resume = null;
    return true;
  }

  #put(text: string): boolean {
    if (!this.#queue.put(this.fd, encoder.encode(text))) return false;
    this.#lineOpen = !text.endsWith('\n');
    return true;
  }
}

interface Standard {
  readonly stdout: TextWriter;
  readonly stderr: TextWriter;
}

let standard: Standard | null = null;

/** This process's stdout and stderr; started when first asked for. */
export function standardOutput(): Standard {
  standard ??= openStandard();
  return standard;
}

function openStandard(): Standard {
  const failedFd = native.eventfd();
  const open = () => native.writerStart(CAPACITY, failedFd);
  const out = open();
  // One terminal, pipe or file: one queue, which keeps the order of what goes to the one and to the other.
  const err = sameFile(1, 2) ? out : open();
  const stdout = new TextWriter(out, ownDescriptor(1));
  const stderr = new TextWriter(err, ownDescriptor(2));
  const takeFailures = () => {
    for (const failure of [out.takeFailure(), err.takeFailure()]) {
      if (!failure) continue;
      const writer = failure.fd === stdout.fd ? stdout : stderr;
      if (writer.fail(failure.error, failure.lines) && writer === stdout)
        stderr.line(`stdout: output is lost: ${failure.error.message}`);
    }
  };
  native
    .watchFd(failedFd, () => {
      native.eventfdDrain(failedFd);
      takeFailures();
    })
    .unref();
  process.on('exit', () => {
    out.flush(STALL_MS, LIMIT_MS);
    takeFailures();
    if (err !== out) err.flush(STALL_MS, LIMIT_MS);
    takeFailures();
    const losses = Object.entries({ stdout, stderr }).filter(([, writer]) => writer.error);
    for (const [name, { failed }] of losses)
      stderr.line(`${name}: ${failed} ${failed === 1 ? 'line was' : 'lines were'} lost`);
    if (losses.length === 0) return;
    process.exitCode ||= EXIT_FAILURE;
    err.flush(STALL_MS, LIMIT_MS);
  });
  return { stdout, stderr };
}

/** A terminal is written by a description of its own, so that whoever changes its mode waits for no write of ours. */
function ownDescriptor(fd: number): number {
  const terminal = native.openTerminal(fd);
  return terminal < 0 ? fd : terminal;
}

function sameFile(a: number, b: number): boolean {
  const [one, other] = [native.fileInfo(a), native.fileInfo(b)];
  return one.device === other.device && one.inode === other.inode;
}
