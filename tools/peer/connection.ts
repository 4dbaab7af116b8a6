// SPDX-License-Identifier: BSD-3-Clause
// How the front-end gets a connected socket: it connects, or (--server) it listens and takes the next back-end that comes.
import { rmSync } from 'node:fs';
import { failedTo } from '../../src/errors.ts';
import { native } from '../../src/native.ts';

export interface Connector {
  /** A connected socket, which the caller owns. Rejects when there is no back-end, or with the signal's reason. */
  connect(signal: AbortSignal): Promise<number>;
  close(): void;
}

/** Throws when `server` is asked for and the path cannot be listened on. */
export function createConnector(path: string, server: boolean): Connector {
  return server ? new Listener(path) : new Client(path);
}

class Client implements Connector {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async connect(): Promise<number> {
    try {
      return native.unixConnect(this.#path);
    } catch (cause) {
      throw failedTo(`connect to the vhost-user back-end at ${this.#path}`, cause);
    }
  }

  close(): void {}
}

class Listener implements Connector {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = native.unixListen(path);
    } catch (cause) {
      throw failedTo(`listen for a vhost-user back-end at ${path}`, cause);
    }
  }

  connect(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        watcher.close();
        signal.removeEventListener('abort', aborted);
        settle();
      };
      const aborted = (): void => finish(() => reject(signal.reason));
      const watcher = native.watchFd(this.#fd, () => {
        const fd = native.unixAccept(this.#fd);
        if (fd >= 0) finish(() => resolve(fd));
      });
      signal.addEventListener('abort', aborted);
      if (signal.aborted) aborted();
    });
  }

  close(): void {
    native.close(this.#fd);
    rmSync(this.#path, { force: true });
  }
}
