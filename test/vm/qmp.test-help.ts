// SPDX-License-Identifier: BSD-3-Clause
// QEMU's monitor, one command at a time.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const ANSWER_MS = 20_000;

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

export class Qmp {
  readonly #socket: Socket;
  #text = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('error', () => {}); // The pending command gets an error.
    socket.on('data', (text: string) => {
      this.#text += text;
    });
  }

  static async connect(path: string): Promise<Qmp> {
    const socket = connect(path);
    await once(socket, 'connect');
    const qmp = new Qmp(socket);
    await qmp.run('qmp_capabilities');
    return qmp;
  }

  /** Runs a command and waits for its answer; the greeting and events are skipped. */
  async run(command: string, args: object = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const signal = AbortSignal.timeout(ANSWER_MS);
    for (;;) {
      const answer = this.#answer();
      if (answer?.error) throw new Error(`${command}: ${answer.error.desc}`);
      if (answer) return answer.return;
      await once(this.#socket, 'data', { signal });
    }
  }

  #answer(): Answer | undefined {
    for (;;) {
      const end = this.#text.indexOf('\n');
      if (end < 0) return undefined;
      const answer = JSON.parse(this.#text.slice(0, end)) as Answer;
      this.#text = this.#text.slice(end + 1);
      if ('return' in answer || answer.error) return answer;
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
