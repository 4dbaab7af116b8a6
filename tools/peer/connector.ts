// SPDX-License-Identifier: BSD-3-Clause
// How the front-end gets a connected socket: it connects, or (--server) listens and accepts the next
// back-end.
import { failedTo, PmdError } from '../../src/errors.ts';
import { native, type SocketAccess } from '../../src/native.ts';
import { isOtherFile, ListeningSocket } from '../socket/listening-socket.ts';

export interface Connector {
  /**
   * A connected socket, which the caller owns. Rejects when there is no back-end, or with the signal's
   * reason.
   */
  connect(signal: AbortSignal): Promise<number>;
  close(): void;
}

/** Throws when `server` is set and the path cannot be listened on. */
export function createConnector(path: string, server: boolean, access: SocketAccess): Connector {
  return server ? new ListeningConnector(path, access) : new ConnectingConnector(path);
}

class ConnectingConnector implements Connector {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async connect(): Promise<number> {
    try {
      return native.unixConnect(this.#path);
    } catch (cause) {
      const action = `connect to the vhost-user back-end at ${this.#path}`;
      const { code } = cause as NodeJS.ErrnoException;
      const refused = code === 'ECONNREFUSED';
      if (refused && isOtherFile(this.#path))
        throw new PmdError('ENOTSOCK', `Failed to ${action}: it is not a socket`);
      const what = refused ? 'connection refused' : 'no such socket';
      if (refused || code === 'ENOENT')
        throw new PmdError(
          code,
          `Failed to ${action}: ${what}; is vhost-pci-device running? (--server listens for one in client mode)`,
        );
      throw failedTo(action, cause);
    }
  }

  close(): void {}
}

class ListeningConnector implements Connector {
  readonly #socket: ListeningSocket;

  constructor(path: string, access: SocketAccess) {
    this.#socket = new ListeningSocket(path, access, 'listen for a vhost-user back-end at');
  }

  connect(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        watcher.close();
        signal.removeEventListener('abort', aborted);
        settle();
      };
      const aborted = (): void => finish(() => reject(signal.reason));
      const watcher = native.watchFd(this.#socket.fd, () => {
        const fd = native.unixAccept(this.#socket.fd);
        if (fd >= 0) finish(() => resolve(fd));
      });
      signal.addEventListener('abort', aborted);
      if (signal.aborted) aborted();
    });
  }

  close(): void {
    this.#socket.close();
  }
}
