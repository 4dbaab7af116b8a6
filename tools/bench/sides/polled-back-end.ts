// SPDX-License-Identifier: BSD-3-Clause
// Our back-end with a client of its telemetry, which asks what telegraf's `dpdk` input asks, at an interval,
// while the side runs.
import { join } from 'node:path';
import { PmdError } from '../../../src/errors.ts';
import { type FdWatcher, native } from '../../../src/native.ts';
import type { Workspace } from '../../run/workspace.ts';
import type { Case } from '../cases.ts';
import type { Settings } from '../settings.ts';
import { OurBackEnd } from './back-ends.ts';

const QUESTIONS = [
  '/ethdev/list',
  '/ethdev/stats,0',
  '/ethdev/xstats,0',
  '/ethdev/info,0',
  '/ethdev/link_status,0',
];
/** More than a reply of telemetry may have. */
const REPLY_BYTES = 1 << 15;

/** Asks all questions at each tick, one after the other. */
class Poller {
  /** Complete rounds of answers. */
  rounds = 0;
  readonly #fd: number;
  readonly #reply = new Uint8Array(REPLY_BYTES);
  readonly #watcher: FdWatcher;
  #timer: NodeJS.Timeout | undefined;
  /** The question that waits for its answer; -1: none does. */
  #asked = -1;

  constructor(path: string) {
    this.#fd = native.unixConnect(path, true);
    this.#watcher = native.watchFd(this.#fd, () => this.#read());
  }

  start(intervalMs: number): void {
    this.#timer = setInterval(() => {
      if (this.#asked < 0) this.#ask(0);
    }, intervalMs);
  }

  pause(): void {
    clearInterval(this.#timer);
  }

  close(): void {
    this.pause();
    this.#watcher.close();
    native.close(this.#fd);
  }

  #ask(question: number): void {
    this.#asked = question;
    native.sendMessage(this.#fd, Buffer.from(QUESTIONS[question] as string), []);
  }

  #read(): void {
    const received = native.receiveMessage(this.#fd, this.#reply, 0);
    // The first message is the greeting.
    if (received === null || this.#asked < 0) return;
    const next = this.#asked + 1;
    if (next < QUESTIONS.length) this.#ask(next);
    else {
      this.#asked = -1;
      this.rounds++;
    }
  }
}

export class PolledBackEnd extends OurBackEnd {
  readonly #socket: string;
  readonly #intervalMs: number;
  #poller: Poller | undefined;

  constructor(settings: Settings, wanted: Case, workspace: Workspace, intervalMs: number) {
    const runtimeFolder = workspace.path('t');
    super(settings, wanted, workspace, [], runtimeFolder);
    this.#socket = join(runtimeFolder, 'dpdk/rte/dpdk_telemetry.v2');
    this.#intervalMs = intervalMs;
  }

  override async start(): Promise<void> {
    await super.start();
    this.#poller = new Poller(this.#socket);
    this.#poller.start(this.#intervalMs);
  }

  override pause(): void {
    this.#poller?.pause();
    super.pause();
  }

  override resume(): void {
    super.resume();
    this.#poller?.start(this.#intervalMs);
  }

  /** Throws if nobody has answered: a side that was not polled is no comparison. */
  override async stop(): Promise<void> {
    const rounds = this.#poller?.rounds;
    this.#poller?.close();
    this.#poller = undefined;
    await super.stop();
    if (rounds === 0)
      throw new PmdError('VPCI_NO_TRAFFIC', 'Failed to measure a poll of telemetry: no answer came');
  }
}
