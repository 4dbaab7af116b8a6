// SPDX-License-Identifier: BSD-3-Clause
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFds } from '../../test/support/open-fds.ts';
import { bytes, type QueuedReply, QueuedServer } from '../../test/support/queued-server.ts';
import { until } from '../../test/support/wait.ts';
import { encode } from '../abi/layout.ts';
import { VFIO_USER, VFIO_USER_F_NO_REPLY, VFIO_USER_HEADER } from '../abi/vfio-user.ts';
import { native } from '../native.ts';
import { closeAll, hurryVfioUser, VfioUserClient } from './vfio-user-client.ts';

const RESET = VFIO_USER.DEVICE_RESET;

describe('vfio-user client', () => {
  let before: number;
  let server: QueuedServer;
  let client: VfioUserClient;
  let removals: string[];

  beforeEach(() => {
    before = openFds();
    server = new QueuedServer();
    client = new VfioUserClient(server.clientFd, 'dev', 50);
    removals = [];
    client.onRemoved((reason) => removals.push(reason));
  });

  afterEach(() => {
    client.close();
    server.close();
    expect(openFds()).toBe(before);
  });

  const command = (fields: { id?: number; command: number; flags?: number; size?: number }) =>
    bytes(encode(VFIO_USER_HEADER, { size: 16, ...fields }));

  it('sends a command and returns the reply', () => {
    server.reply({ command: RESET, payload: Uint8Array.of(1, 2, 3) });
    const { payload, fds } = client.request({ command: RESET, payload: Uint8Array.of(9) });
    expect([...bytes(payload)]).toEqual([1, 2, 3]);
    expect(fds).toEqual([]);
    expect(server.requests()).toMatchObject([{ command: RESET, flags: 0, payload: Uint8Array.of(9) }]);
  });

  it('shortens the timeout for a silent server when the process is ending', () => {
    hurryVfioUser();
    const patient = new VfioUserClient(server.clientFd, 'dev', 600_000);
    expect(() => patient.request({ command: RESET })).toThrow('did not answer within 500 ms');
  });

  describe('while a signal waits for its listener', () => {
    const signalled = async (signal: NodeJS.Signals, test: () => void) => {
      const heard = new Promise<void>((resolve) => process.once(signal, () => resolve()));
      process.kill(process.pid, signal);
      test();
      await heard;
    };

    it.each(['SIGINT', 'SIGTERM'] as const)(
      'regression: %s ends the wait for a silent server',
      async (signal) => {
        const patient = new VfioUserClient(server.clientFd, 'dev', 600_000);
        await signalled(signal, () => {
          for (let request = 0; request < 2; request++)
            expect(() => patient.request({ command: RESET })).toThrow(
              expect.objectContaining({
                code: 'EINTR',
                message: 'Failed to use dev: a signal arrived while waiting for its reply',
              }),
            );
          expect(patient.interrupted).toBe(true);
        });
      },
    );

    it('waits for a server that answers, and for any server under another signal', async () => {
      await signalled('SIGTERM', () => {
        server.reply({ command: RESET });
        client.request({ command: RESET });
      });
      await signalled('SIGWINCH', () =>
        expect(() => client.request({ command: RESET })).toThrow('did not answer within 50 ms'),
      );
      expect(client.interrupted).toBe(false);
    });
  });

  it('sends and receives descriptors', () => {
    const fd = native.eventfd();
    server.reply({ command: RESET, fds: [fd, fd] });
    const { fds } = client.request({ command: RESET, fds: [fd], maxReplyFds: 2 });
    expect(fds).toHaveLength(2);
    const [request] = server.requests();
    expect(request?.fds).toHaveLength(1);
    closeAll([...fds, ...(request?.fds ?? []), fd]);
  });

  it('assembles a reply that arrives in pieces', () => {
    const reply = command({ command: RESET, flags: 1 });
    server.raw(reply.subarray(0, 7));
    server.raw(reply.subarray(7));
    expect(client.request({ command: RESET }).payload.byteLength).toBe(0);
  });

  it("throws the server's errno, and survives", () => {
    const fd = native.eventfd();
    server.reply({ command: RESET, error: 22, fds: [fd] });
    native.close(fd);
    expect(() => client.request({ command: RESET })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    server.reply({ command: RESET, error: 0x7fff_ffff });
    expect(() => client.request({ command: RESET })).toThrow(expect.objectContaining({ code: 'EIO' }));
    server.reply({ command: RESET });
    client.request({ command: RESET });
    expect(client.removed).toBeNull();
  });

  it('numbers requests from 0 to 65535 and starts again', () => {
    for (let id = 0; id <= 65_536; id++) {
      server.reply({ command: RESET, header: { id: id & 0xffff } });
      client.request({ command: RESET });
      if (id % 64 === 0) server.requests();
    }
  });

  const lethal: [string, QueuedReply, RegExp][] = [
    ['another id', { command: RESET, header: { id: 5 } }, /unexpected reply \(id 5/],
    ['another command', { command: VFIO_USER.VERSION }, /unexpected reply/],
    ['an unknown type', { command: RESET, header: { flags: 2 } }, /unexpected reply/],
    ['a size below the header', { command: RESET, header: { size: 15 } }, /does not speak vfio-user/],
    [
      'a size beyond the limit',
      { command: RESET, header: { size: 0x7fff_ffff } },
      /does not speak vfio-user/,
    ],
    ['less than its size', { command: RESET, header: { size: 17 } }, /did not answer within 50 ms/],
  ];
  it.each(lethal)('gives up on a server that replies with %s', async (_, reply, expected) => {
    const fd = native.eventfd();
    server.reply({ ...reply, fds: [fd] });
    native.close(fd);
    expect(() => client.request({ command: RESET })).toThrow(
      expect.objectContaining({ code: 'VPCI_REMOVED' }),
    );
    expect(() => client.request({ command: RESET })).toThrow(expected);
    await until('the removal is reported', () => removals.length > 0);
    expect(removals).toEqual([expect.stringMatching(expected)]);
  });

  it('gives up on a server that sends unexpected descriptors', () => {
    const fd = native.eventfd();
    server.reply({ command: RESET, fds: [fd, fd, fd] });
    native.close(fd);
    expect(() => client.request({ command: RESET, maxReplyFds: 2 })).toThrow(/sent 3 descriptors/);
  });

  it('gives up on a server that does not answer', () => {
    expect(() => client.request({ command: RESET })).toThrow(/did not answer within 50 ms/);
  });

  it('detects that the server closed, once, without a request', async () => {
    const watcher = native.watchFd(client.fd, () => client.poll());
    server.close();
    await until('the removal is reported', () => removals.length > 0);
    watcher.close();
    client.poll();
    expect(removals).toEqual(['the connection was closed']);
    expect(() => client.request({ command: RESET })).toThrow(/is gone: the connection was closed/);
  });

  it('does not report a removal after close', async () => {
    server.close();
    client.close();
    client.poll();
    await new Promise((resolve) => setImmediate(resolve));
    expect(removals).toEqual([]);
    expect(() => client.request({ command: RESET })).toThrow(
      expect.objectContaining({ code: 'VPCI_CLOSED' }),
    );
  });

  it("refuses the server's commands, between requests and in the middle of one", () => {
    server.raw(command({ id: 7, command: VFIO_USER.DMA_READ }));
    server.raw(command({ id: 8, command: VFIO_USER.DMA_WRITE, flags: VFIO_USER_F_NO_REPLY }));
    client.poll();
    server.raw(command({ id: 9, command: VFIO_USER.DMA_READ }));
    server.reply({ command: RESET });
    client.request({ command: RESET });
    const answers = server.requests();
    expect(answers.map(({ command, flags }) => [command, flags])).toEqual([
      [VFIO_USER.DMA_READ, 0x21],
      [RESET, 0],
      [VFIO_USER.DMA_READ, 0x21],
    ]);
  });

  it('regression: handles a flood of commands in turns, and not during a request', () => {
    const one = command({ command: VFIO_USER.DMA_WRITE, flags: VFIO_USER_F_NO_REPLY });
    const flood = new Uint8Array(1000 * one.length);
    for (let at = 0; at < 1000; at++) flood.set(one, at * one.length);
    server.raw(flood);
    client.poll();
    expect(native.pollFd(client.fd, 'in', 0)).toBe(true);
    for (let turn = 0; turn < 10; turn++) client.poll();
    expect(native.pollFd(client.fd, 'in', 0)).toBe(false);
    server.raw(flood);
    expect(() => client.request({ command: RESET })).toThrow(/keeps sending commands/);
  });

  it('regression: gives up on a message that brings descriptors with each of its pieces', () => {
    const fd = native.eventfd();
    const fds = Array.from({ length: 40 }, () => fd);
    const bytes = command({ command: RESET, flags: 1 });
    server.raw(bytes.subarray(0, 8), fds);
    server.raw(bytes.subarray(8), fds);
    native.close(fd);
    expect(() => client.request({ command: RESET, maxReplyFds: 64 })).toThrow(/too many descriptors/);
  });

  it('gives up on a reply without a request', () => {
    server.raw(command({ command: RESET, flags: 1 }));
    client.poll();
    expect(client.removed).toMatch(/unexpected reply/);
  });
});
