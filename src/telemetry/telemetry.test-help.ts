// SPDX-License-Identifier: BSD-3-Clause
// A client of the telemetry socket, and a runtime folder for a test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { native } from '../native.ts';

/** Sets RUNTIME_DIRECTORY to a new folder for each test. */
export function runtimeDirectory(): { readonly path: string } {
  const holder = { path: '' };
  const before = process.env.RUNTIME_DIRECTORY;
  beforeEach(() => {
    holder.path = mkdtempSync(join(tmpdir(), 'vpci-run-'));
    process.env.RUNTIME_DIRECTORY = holder.path;
  });
  afterEach(() => {
    rmSync(holder.path, { recursive: true });
    if (before === undefined) delete process.env.RUNTIME_DIRECTORY;
    else process.env.RUNTIME_DIRECTORY = before;
  });
  return holder;
}

export class TestClient {
  readonly fd: number;
  readonly #into = new Uint8Array(65_536);

  constructor(path: string | number) {
    this.fd = typeof path === 'number' ? path : native.unixConnect(path, true);
  }

  /** Of a connection that exists. */
  static of(fd: number): TestClient {
    return new TestClient(fd);
  }

  /** The next message; '' when the server has closed the connection. */
  async read(): Promise<string> {
    for (;;) {
      const received = this.#receive();
      if (received !== null) return Buffer.from(this.#into.subarray(0, received)).toString();
      await new Promise<void>((resolve) => {
        const watcher = native.watchFd(this.fd, () => {
          watcher.close();
          resolve();
        });
      });
    }
  }

  send(request: string | Uint8Array): void {
    native.sendMessage(this.fd, typeof request === 'string' ? Buffer.from(request) : request, []);
  }

  /** The value of the reply, whose only key is to be `key`. */
  async ask(request: string, key = request.split(',')[0] ?? ''): Promise<unknown> {
    this.send(request);
    const reply = JSON.parse(await this.read()) as Record<string, unknown>;
    if (Object.keys(reply).join() !== key) throw new Error(`keys of the reply: ${Object.keys(reply)}`);
    return reply[key];
  }

  close(): void {
    native.close(this.fd);
  }

  #receive(): number | null {
    try {
      return native.receiveMessage(this.fd, this.#into, 0)?.bytes ?? null;
    } catch {
      return 0;
    }
  }
}

/** A client that has read the greeting. */
export async function greeted(path: string): Promise<TestClient> {
  const client = new TestClient(path);
  await client.read();
  return client;
}
