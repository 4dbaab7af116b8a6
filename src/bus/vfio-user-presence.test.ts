// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vfioUserAnswers } from './vfio-user-presence.ts';

let folder: string;
let path: string;
let server: Server | null = null;
let gone: boolean;
const served: Socket[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpci-presence-'));
  path = join(folder, 's');
  gone = false;
});
afterEach(async () => {
  for (const socket of served.splice(0)) socket.destroy();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(null)));
  server = null;
  rmSync(folder, { recursive: true });
});

const serve = (answer: (socket: Socket) => void) =>
  new Promise<void>((resolve) => {
    server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('close', () => {
        gone = true;
      });
      answer(socket);
    }).listen(path, resolve);
  });
/** Header: id, command VERSION, size, flags, error. */
const reply = (flags: number, size = 21) => {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt16LE(1, 2);
  bytes.writeUInt32LE(size, 4);
  bytes.writeUInt32LE(flags, 8);
  return bytes;
};

describe('a vfio-user device', () => {
  it('is present if it agrees, and has dropped the connection of the probe by then', async () => {
    await serve((socket) => {
      socket.once('data', () => socket.write(reply(1)));
    });
    expect(await vfioUserAnswers(path)).toBe(true);
    expect(gone).toBe(true);
  });

  it('is present however its reply is split', async () => {
    await serve((socket) => {
      socket.once('data', () => {
        const bytes = reply(1);
        socket.write(bytes.subarray(0, 7), () => setImmediate(() => socket.write(bytes.subarray(7))));
      });
    });
    expect(await vfioUserAnswers(path)).toBe(true);
  });

  it('is not present without a socket or a listener', async () => {
    expect(await vfioUserAnswers(path)).toBe(false);
    writeFileSync(path, '');
    expect(await vfioUserAnswers(path)).toBe(false);
    rmSync(path);
  });

  it.each([
    ['refuses', (socket: Socket) => void socket.once('data', () => socket.end(reply(0x21)))],
    ['sends something else', (socket: Socket) => void socket.write(Buffer.alloc(64, 0xff))],
    ['hangs up', (socket: Socket) => void socket.destroy()],
    ['sends nothing', () => {}],
    ['agrees and never disconnects', (socket: Socket) => void socket.write(reply(1))],
  ])('is not present if it %s', async (what, answer) => {
    const options = what.includes('never') ? { allowHalfOpen: true } : {};
    server = createServer(options, (socket) => {
      served.push(socket);
      socket.on('error', () => {});
      answer(socket);
    });
    await new Promise<void>((resolve) => server?.listen(path, resolve));
    expect(await vfioUserAnswers(path, 300)).toBe(false);
  });
});
