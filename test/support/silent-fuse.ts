// SPDX-License-Identifier: BSD-3-Clause
// A FUSE file system whose server leaves chosen requests unanswered (silent-fuse.py) for as long as a test
// wants.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, openSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from '../../src/native.ts';
import { inCi } from './dpdk.ts';
import { fed } from './fed.ts';
import { ROOT } from './program.ts';
import { programMissing } from './program-missing.ts';
import { until } from './wait.ts';

/** Why tests with FUSE are skipped; false if they can run, and in CI, where they must. */
export function fuseMissing(): string | false {
  const python = programMissing('python3', 'python3', 'tests with FUSE');
  if (python || inCi()) return python;
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    if (process.getuid?.() === 0) return false;
  } catch {
    // Reported below.
  }
  console.warn('Tests with FUSE are skipped: they take root and /dev/fuse');
  return 'it takes root and /dev/fuse';
}

export class SilentFuse {
  readonly #folder = mkdtempSync(join(tmpdir(), 'vpci-fuse-'));
  readonly #server: ChildProcess;
  readonly #fds: number[] = [];
  #said = '';

  /** `silences` are as for silent-fuse.py. */
  private constructor(bytes: number, silences: readonly string[]) {
    const script = join(ROOT, 'test/support/silent-fuse.py');
    const args = [script, this.#folder, String(bytes), ...silences];
    this.#server = fed(spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    this.#server.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
  }

  static async mount(bytes: number, silences: readonly string[]): Promise<SilentFuse> {
    const fuse = new SilentFuse(bytes, silences);
    await fuse.says('mounted');
    return fuse;
  }

  /** Opens its file for reading and writing; closed with the file system. */
  open(): number {
    const fd = openSync(join(this.#folder, 'memory'), 'r+');
    this.#fds.push(fd);
    return fd;
  }

  /** Waits for a line of the server; "silent read" means that a thread is now waiting for an answer. */
  async says(text: string): Promise<void> {
    await until(`the file system says '${text}'`, () => this.#said.includes(text), 60_000);
  }

  /** Unmounts; all waiting threads get an error. Idempotent. */
  async end(): Promise<void> {
    for (const fd of this.#fds.splice(0)) native.closeForeign(fd);
    if (this.#server.exitCode !== null) return;
    const gone = once(this.#server, 'exit');
    this.#server.stdin?.end();
    await gone;
    spawnSync('umount', ['-l', this.#folder]);
    rmdirSync(this.#folder);
  }
}
