// SPDX-License-Identifier: BSD-3-Clause
// The server's protocol, and the rules that QEMU's client needs (server.ts).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SECTION_MAGIC } from '../../../src/abi/section.ts';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import type { Device } from '../device.ts';
import { sendRaw } from '../test-help/channel.test-help.ts';
import { createIvshmemServer, type IvshmemServerOptions } from './server.ts';

const SIZE = 1 << 20;
let folder: string;
let path: string;
let server: Device;
let lines: string[];
let clients: Client[];
let before: number;

class Client {
  readonly fd = native.unixConnect(path);
  /** Numbers in order; with * for one that came with a descriptor. */
  readonly messages: string[] = [];
  readonly fds: number[] = [];
  ended = false;

  constructor() {
    clients.push(this);
  }

  receive(): void {
    const bytes = new Uint8Array(8);
    for (let got = this.#next(bytes); got; got = this.#next(bytes)) {
      this.fds.push(...got.fds);
      const value = new DataView(bytes.buffer).getBigInt64(0, true);
      this.messages.push(`${value}${'*'.repeat(got.fds.length)}`);
    }
  }

  #next(bytes: Uint8Array) {
    if (this.ended) return null;
    const got = native.receiveMessage(this.fd, bytes, 1);
    if (got?.bytes === 0) this.ended = true;
    return this.ended ? null : got;
  }

  /** Waits until this many messages have come in total. */
  async until(count: number): Promise<string[]> {
    await until(`${count} messages came`, () => {
      this.receive();
      return this.messages.length >= count;
    });
    return this.messages;
  }

  leave(): void {
    native.close(this.fd);
    closeAll(this.fds);
    clients = clients.filter((each) => each !== this);
  }
}

const make = (options: Partial<IvshmemServerOptions> = {}) => {
  server = createIvshmemServer({ path, size: SIZE, log: (line) => lines.push(line), ...options });
};
const logged = (text: string) => lines.some((line) => line.includes(text));

beforeEach(() => {
  before = openFds();
  folder = mkdtempSync(join(tmpdir(), 'ivshmem-server-'));
  path = join(folder, 's');
  [lines, clients] = [[], []];
});
afterEach(async () => {
  for (const client of [...clients]) client.leave();
  server.close();
  await until('no descriptor is left', () => openFds() <= before);
  rmSync(folder, { recursive: true });
});

describe('the server of ivshmem-doorbell', () => {
  it('sends version, id, memory, the others and then all own vectors', async () => {
    make({ vectors: 3 });
    const first = new Client();
    expect(await first.until(6)).toEqual(['0', '0', '-1*', '0*', '0*', '0*']);
    expect(native.fileInfo(first.fds[0] as number)).toMatchObject({ regular: true, size: SIZE });
    const second = new Client();
    expect(await second.until(9)).toEqual(['0', '1', '-1*', '0*', '0*', '0*', '1*', '1*', '1*']);
    expect((await first.until(9)).slice(6)).toEqual(['1*', '1*', '1*']);
  });

  it('gives both sides the same eventfds, in order, which never block', async () => {
    make();
    const [first, second] = [new Client(), new Client()];
    await second.until(7);
    await first.until(7);
    // Own vectors of the first, then those of the second; for the second the other way round.
    for (const [i, j] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
    ] as const) {
      native.eventfdSignal(second.fds[i] as number);
      expect(native.eventfdDrain(first.fds[j] as number)).toBe(1n);
      expect(native.eventfdDrain(first.fds[j] as number)).toBe(0n);
    }
  });

  it('never uses an id twice, and says who is gone to those who knew', async () => {
    make();
    const first = new Client();
    await first.until(5);
    for (let id = 1; id < 6; id++) {
      const other = new Client();
      expect((await other.until(5))[1]).toBe(String(id));
      await first.until(5 + 3 * (id - 1) + 2);
      other.leave();
      expect((await first.until(5 + 3 * id)).slice(-3)).toEqual([`${id}*`, `${id}*`, `${id}`]);
    }
  });

  it('ends when all ids have been used', async () => {
    make({ firstId: 65_535 });
    const last = new Client();
    expect((await last.until(5))[1]).toBe('65535');
    const late = new Client();
    await until('it is refused', () => {
      late.receive();
      return late.ended;
    });
    expect([late.messages, logged('all ids have been used: start the server again')]).toEqual([[], true]);
  });

  it('refuses more clients than it can introduce at once', async () => {
    make({ vectors: 16 });
    for (let i = 0; i < 15; i++) await new Client().until(3);
    await until('the last knows all', () => {
      for (const client of clients) client.receive();
      return clients[14]?.messages.length === 3 + 15 * 16;
    });
    const late = new Client();
    await until('it is refused', () => {
      late.receive();
      return late.ended;
    });
    expect(logged('15 clients are connected already')).toBe(true);
  });

  it('drops a client that sends something, and tells nobody else of its words', async () => {
    make();
    const [good, bad] = [new Client(), new Client()];
    await good.until(7);
    sendRaw(bad.fd, Uint8Array.of(1));
    expect((await good.until(8)).at(-1)).toBe('1');
    expect(logged('client 1 disconnected: it sent something')).toBe(true);
  });

  it('goes on when a client does not read', async () => {
    make({ vectors: 16 });
    const deaf = new Client();
    const good = new Client();
    await good.until(3 + 2 * 16);
    for (let i = 0; i < 60 && !logged('client 0 disconnected'); i++) {
      const other = new Client();
      await other.until(3 + 16);
      other.leave();
      good.receive();
    }
    await until('it is dropped', () => logged('client 0 disconnected: it does not read its replies'));
    expect(deaf.messages).toEqual([]);
    expect((await new Client().until(3))[0]).toBe('0');
  });

  it("writes RESET to the side of a client that is gone, and raises the others' vector 0", async () => {
    make();
    const [stays, goes] = [new Client(), new Client()];
    await goes.until(7);
    await stays.until(7);
    const mapping = native.mapFd(stays.fds[0] as number, 0, SIZE, true);
    const view = new DataView(native.mappingBuffer(mapping));
    for (const [side, id] of [
      [0, 0],
      [SIZE / 2, 1],
    ] as const) {
      view.setUint32(side, SECTION_MAGIC, true);
      view.setUint32(side + 8, 3, true);
      view.setUint32(side + 24, id + 1, true);
    }
    goes.leave();
    await until('it is interrupted', () => native.eventfdDrain(stays.fds[1] as number) > 0n);
    expect([view.getUint32(8, true), view.getUint32(SIZE / 2 + 8, true)]).toEqual([3, 0]);
    native.unmap(mapping);
  });

  it('leaves memory of another layout alone', async () => {
    make();
    const [stays, goes] = [new Client(), new Client()];
    await goes.until(7);
    await stays.until(7);
    const mapping = native.mapFd(stays.fds[0] as number, 0, SIZE, true);
    const bytes = new Uint8Array(native.mappingBuffer(mapping)).fill(2);
    goes.leave();
    await until('it is interrupted', () => native.eventfdDrain(stays.fds[1] as number) > 0n);
    expect(bytes.every((byte) => byte === 2)).toBe(true);
    native.unmap(mapping);
  });

  it.each([
    [{ size: 100_000 }, /choose a power of two/],
    [{ vectors: 17 }, /17 vectors: choose 1 to 16/],
  ])('checks its options: %j', (options, expected) => {
    make();
    expect(() => createIvshmemServer({ path: `${path}2`, ...options })).toThrow(expected);
  });
});
