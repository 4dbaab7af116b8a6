// SPDX-License-Identifier: BSD-3-Clause
// The accomplice as a child process: makes descriptors of every kind, and fills eventfds while others write
// them (accomplice.cc).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';
import { native } from '../../../src/native.ts';

/** struct Request of accomplice.cc. */
const REQUEST_BYTES = 48;
const NUMBER_OFFSET = 32;
const VALUE_OFFSET = 40;
const ANSWER_MS = 10_000;

const source = fileURLToPath(new URL('accomplice.cc', import.meta.url));
const program = fileURLToPath(new URL('../build/accomplice', import.meta.url));

let built = false;

/** Builds it once per process; another run may be using the program. */
function build(): void {
  if (built) return;
  mkdirSync(fileURLToPath(new URL('../build', import.meta.url)), { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const compiler = process.env.CXX ?? 'c++';
  const run = spawnSync(compiler, ['-std=c++20', '-O1', '-o', fresh, source], { encoding: 'utf8' });
  if (run.status !== 0)
    throw new Error(`${compiler} does not compile ${source}:\n${run.stderr ?? run.error}`);
  renameSync(fresh, program);
  built = true;
}

export class Accomplice {
  readonly #fd: number;
  readonly #child: ChildProcess;
  readonly #missing = new Map<string, string>();

  constructor() {
    build();
    const [ours, theirs] = native.socketPair();
    this.#fd = ours;
    this.#child = spawn(program, [], { stdio: ['ignore', 'ignore', 'inherit', theirs] });
    native.close(theirs);
  }

  /** Kinds that this machine does not have, and the reasons. */
  get missing(): ReadonlyMap<string, string> {
    return this.#missing;
  }

  /** A new descriptor, owned by the caller; null if the system has no such thing. */
  make(kind: string): number | null {
    if (this.#missing.has(kind)) return null;
    const { error, fds } = this.#ask(kind);
    if (error === 0) return fds[0] ?? null;
    this.#missing.set(kind, getSystemErrorName(-error));
    return null;
  }

  /** Makes writers of this eventfd block, if its write can be made to block. */
  fill(fd: number, victim: number): void {
    this.#ask('fill', fd, victim);
  }

  /** Adds to an eventfd while it has room, at most `times`. Never waits. */
  add(fd: number, value: bigint, times: number): void {
    this.#ask('add', fd, times, value);
  }

  /** Clears O_NONBLOCK for everyone who shares the open file. */
  block(fd: number): void {
    this.#ask('block', fd);
  }

  /** Stops filling eventfds. */
  calm(): void {
    this.#ask('calm');
  }

  /** Ends the silent file systems as well. */
  rest(): void {
    this.#ask('rest');
  }

  close(): void {
    native.close(this.#fd);
    this.#child.kill('SIGKILL');
  }

  #ask(name: string, fd = -1, number = 0, value = 0n): { error: number; fds: number[] } {
    const request = new Uint8Array(REQUEST_BYTES);
    new TextEncoder().encodeInto(name, request);
    const view = new DataView(request.buffer);
    view.setInt32(NUMBER_OFFSET, number, true);
    view.setBigUint64(VALUE_OFFSET, value, true);
    native.sendMessage(this.#fd, request, fd < 0 ? [] : [fd]);
    const answer = new Uint8Array(4);
    if (!native.pollFd(this.#fd, 'in', ANSWER_MS))
      throw new Error(`the accomplice does not answer '${name}'`);
    const received = native.receiveMessage(this.#fd, answer, 1);
    if (received?.bytes !== answer.length) throw new Error('the accomplice is gone');
    return { error: new DataView(answer.buffer).getInt32(0, true), fds: received.fds };
  }
}
