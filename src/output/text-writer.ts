// SPDX-License-Identifier: BSD-3-Clause
// Text output to stdout and stderr that never blocks the event loop, as process.stdout and process.stderr do:
// Node writes to terminals and pipes synchronously, so a stopped terminal (Ctrl-S) or a stalled reader would
// stop timers, sockets and signals.
//
// Lines for which there is no room are dropped, counted, and reported at their place in the text once there
// is room again. Output that stdout rejects for another reason (a full disk) is lost as well: stderr reports
// that once when it happens and once at the end, and the exit status is not 0, as it is when stderr itself
// loses output. At exit, pending output is written as long as it is being read, for a bounded time.
import { native, type OutputQueue } from '../native.ts';

/**
 * Maximum bytes pending for a reader: more than any single testpmd command prints for 32 ports with 128 queue
 * pairs.
 */
const CAPACITY = 1 << 22;
/**
 * After a loss, nothing is accepted until half of the queue is free, so that one report covers many lines.
 */
const RESUME_BELOW = CAPACITY / 2;
const RESUME_POLL_MS = 100;
const SETTLE_POLL_MS = 10;
/** How long exit waits for a reader that accepts nothing, and for a slow reader. */
const STALL_MS = 250;
const LIMIT_MS = 2000;
const EXIT_FAILURE = 1;

const encoder = new TextEncoder();

export class TextWriter {
  readonly #queue: OutputQueue;
  /** @internal The file descriptor it writes to. */
  readonly fd: number;
  #lineOpen = false;
  #lost = 0;
  #reported = 0;
  #resume: NodeJS.Timeout | null = null;
  #onReaderGone: () => void = () => {};
  #failed = 0;
  #told = 0;
  #error: NodeJS.ErrnoException | null = null;

  constructor(queue: OutputQueue, fd: number) {
    this.#queue = queue;
    this.fd = fd;
  }

  /** Number of lines dropped because earlier ones were not read. */
  get lost(): number {
    return this.#lost;
  }

  /** The first error that lost output, other than a reader that is gone. */
  get error(): NodeJS.ErrnoException | null {
    return this.#error;
  }

  /** Number of lines lost to errors. */
  get failed(): number {
    return this.#failed;
  }

  /** Whether what is written here comes before what is written to `other` later. */
  precedes(other: TextWriter): boolean {
    return this.#queue === other.#queue;
  }

  /** Calls `then` each time a write finds the reader gone, as with `| head`. */
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
   * Resolves once at most `bytes` are pending, or the reader is gone or has accepted nothing for `stallMs`.
   * For callers that write much and must not lose output.
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

  /** @internal Lines lost to errors that no message has accounted for. */
  get untold(): number {
    return this.#failed - this.#told;
  }

  /** @internal The lines that are lost now are accounted for. */
  tell(): void {
    this.#told = this.#failed;
  }

  /** @internal Returns true for the first error. */
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

  /** Reports lost lines; returns true if all losses have been reported. */
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

/** This process's stdout and stderr, created on first use. */
export function standardOutput(): Standard {
  standard ??= openStandard();
  return standard;
}

function openStandard(): Standard {
  const failedFd = native.eventfd();
  const open = () => native.writerStart(CAPACITY, failedFd);
  const out = open();
  // If both are the same terminal, pipe or file, they share a queue, which preserves the order of their
  // output.
  const err = sameFile(1, 2) ? out : open();
  const stdout = new TextWriter(out, ownDescriptor(1));
  const stderr = new TextWriter(err, ownDescriptor(2));
  const takeFailures = () => {
    for (const failure of [out.takeFailure(), err.takeFailure()]) {
      if (!failure) continue;
      const writer = failure.fd === stdout.fd ? stdout : stderr;
      if (!writer.fail(failure.error, failure.lines) || writer !== stdout) continue;
      stderr.line(`stdout: output is lost: ${failure.error.message}`);
      stdout.tell();
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
    // A short text, such as a help, is lost as a whole: one message is enough.
    for (const [name, { failed, untold }] of losses)
      if (untold > 0) stderr.line(`${name}: ${failed} ${failed === 1 ? 'line was' : 'lines were'} lost`);
    if (losses.length === 0) return;
    process.exitCode ||= EXIT_FAILURE;
    err.flush(STALL_MS, LIMIT_MS);
  });
  return { stdout, stderr };
}

/** A terminal gets its own open file description, so that changing its mode does not wait for our writes. */
function ownDescriptor(fd: number): number {
  const terminal = native.openTerminal(fd);
  return terminal < 0 ? fd : terminal;
}

function sameFile(a: number, b: number): boolean {
  const [one, other] = [native.fileInfo(a), native.fileInfo(b)];
  return one.device === other.device && one.inode === other.inode;
}
