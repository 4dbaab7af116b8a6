// SPDX-License-Identifier: BSD-3-Clause
// The host's end of the control channel: runs shell scripts in a guest. The guest's end is guest/agent, which
// describes the format of the lines. The channel survives a reboot of the guest; scripts running at that time
// fail.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PmdError } from '../../src/errors.ts';
import { Waiters } from '../run/waiters.ts';

export interface GuestResult {
  /** The script's exit code; 124 when it exceeded its time limit, as with timeout(1). */
  readonly code: number;
  /** Its output on stdout and stderr. */
  readonly output: string;
}

interface Pending {
  readonly resolve: (result: GuestResult) => void;
  readonly reject: (error: Error) => void;
}

/** Milliseconds beyond a script's own time limit within which its answer must arrive. */
const GRACE_MS = 15_000;
const CONNECT_MS = 10_000;
/** An answer longer than this is discarded as invalid. */
const MAX_LINE = 64 << 20;

export class GuestAgent {
  readonly #name: string;
  readonly #pending = new Map<string, Pending>();
  readonly #waiters = new Waiters();
  #socket: Socket | undefined;
  #partial = '';
  #next = 1;
  /** How many times the guest's agent has started: once per boot, as a rule. */
  starts = 0;

  /** `name` identifies the guest in messages. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Connects to QEMU's end of the channel, which may not exist yet. */
  async connect(path: string): Promise<void> {
    const end = Date.now() + CONNECT_MS;
    for (;;) {
      try {
        this.#socket = await connected(path);
        break;
      } catch (error) {
        if (Date.now() > end) throw this.#failure(`has no control channel: ${(error as Error).message}`);
        await sleep(20);
      }
    }
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => this.#take(text));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#failAll('ended'));
  }

  /** Waits until the guest's agent has started `starts` times in total. */
  async started(starts: number, ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (this.starts < starts) {
      const left = end - Date.now();
      if (left <= 0) throw this.#failure(`did not come up within ${ms / 1000} s`);
      if (this.#socket?.closed) throw this.#failure('exited before it was up');
      await this.#waiters.wait(left);
    }
  }

  /** Runs a shell script in the guest, for at most `ms`. */
  run(script: string, ms: number): Promise<GuestResult> {
    const id = `${this.#next++}`;
    const text = Buffer.from(script).toString('base64');
    return new Promise((resolve, reject) => {
      if (!this.#socket || this.#socket.closed) throw this.#failure('is not connected');
      const timer = setTimeout(
        () => settle(() => reject(this.#failure(`did not answer: ${script}`))),
        ms + GRACE_MS,
      );
      const settle = (how: () => void) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        how();
      };
      this.#pending.set(id, {
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#socket.write(`${id} ${Math.ceil(ms / 1000)} ${text}\n`);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#failAll('was stopped');
  }

  #take(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    if (this.#partial.length > MAX_LINE) this.#partial = '';
    for (const line of lines) this.#takeLine(line.trim());
    this.#waiters.wake();
  }

  #takeLine(line: string): void {
    if (line === 'ready') {
      this.starts++;
      this.#failAll('rebooted');
      return;
    }
    const [id = '', code = '', output = ''] = line.split(' ');
    this.#pending.get(id)?.resolve({ code: Number(code), output: Buffer.from(output, 'base64').toString() });
  }

  #failAll(what: string): void {
    for (const { reject } of [...this.#pending.values()]) reject(this.#failure(what));
    this.#waiters.wake();
  }

  #failure(what: string): PmdError {
    return new PmdError('VPCI_RIG_GUEST', `The guest ${this.#name} ${what}`);
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
