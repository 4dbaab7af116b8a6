// SPDX-License-Identifier: BSD-3-Clause
// The addon's eventfds, watchers, threads and clock, and a check that no create/close pair leaks.
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ADDON, addonWorker, codeOf, mappedAreas, nextMessage, openFds, until } from './native.test-help.ts';
import { native } from './native.ts';

const folder = mkdtempSync(join(tmpdir(), 'vpci-event-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fifo(name: string): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

const runMain = (code: string) =>
  spawnSync(
    process.execPath,
    [
      '-e',
      `const native = require(${JSON.stringify(ADDON)});
    const fd = native.eventfd(); native.eventfdSignal(fd); ${code}`,
    ],
    { encoding: 'utf8', timeout: 30_000 },
  );

describe('signals that end a process', () => {
  test('are detected while their listeners wait for the event loop, and others are not', async () => {
    const heard: string[] = [];
    const listener = (signal: string) => heard.push(signal);
    const signals = ['SIGWINCH', 'SIGINT', 'SIGTERM'] as const;
    for (const signal of signals) process.on(signal, listener);
    try {
      const seen: boolean[] = [native.endSignalWaits()];
      for (const signal of signals) {
        process.kill(process.pid, signal);
        seen.push(native.endSignalWaits(), native.endSignalWaits());
        await until(() => heard.includes(signal));
        seen.push(native.endSignalWaits());
      }
      expect(seen).toEqual([false, ...[false, false, false], ...[true, true, false], ...[true, true, false]]);
      expect(heard).toEqual(signals);
    } finally {
      for (const signal of signals) process.off(signal, listener);
    }
  });
});

describe('eventfds', () => {
  test('signals add up, draining clears', () => {
    const fd = native.eventfd();
    expect(native.eventfdDrain(fd)).toBe(0n);
    for (let i = 0; i < 3; i++) expect(native.eventfdSignal(fd)).toBe(true);
    expect(native.pollFd(fd, 'in', 0)).toBe(true);
    expect(native.eventfdDrain(fd)).toBe(3n);
    expect(native.eventfdDrain(fd)).toBe(0n);
    native.close(fd);
  });

  test('a full counter stays full, and is drained completely', () => {
    const fd = native.eventfd();
    writeSync(fd, new Uint8Array(new BigUint64Array([2n ** 64n - 2n]).buffer));
    for (let i = 0; i < 3; i++) native.eventfdSignal(fd);
    expect(native.eventfdDrain(fd)).toBeGreaterThanOrEqual(2n ** 64n - 2n);
    expect(native.eventfdDrain(fd)).toBe(0n);
    expect(native.eventfdSignal(fd)).toBe(true);
    native.close(fd);
  });

  test('isEventfd is true for eventfds only', () => {
    const event = native.eventfd();
    const [near, far] = native.socketPair();
    const memory = native.memfdCreate('anon_inode:[eventfd]', 4096, false);
    expect(native.isEventfd(event)).toBe(true);
    for (const fd of [near, far, memory]) expect(native.isEventfd(fd)).toBe(false);
    for (const fd of [event, near, far, memory]) native.close(fd);
    expect(native.isEventfd(event)).toBe(false);
  });

  test('signalling other descriptors neither blocks nor throws nor kills', () => {
    const path = fifo('signal');
    const both = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    expect(
      codeOf(() => {
        for (;;) writeSync(both, new Uint8Array(4096));
      }),
    ).toBe('EAGAIN');
    const blocking = openSync(path, constants.O_WRONLY);
    expect(native.eventfdSignal(blocking)).toBe(false);
    closeSync(both);
    expect(native.eventfdSignal(blocking)).toBe(false);
    closeSync(blocking);

    const [near, far] = native.socketPair();
    while (native.sendMessage(near, new Uint8Array(65536), []) > 0);
    expect(native.eventfdSignal(near)).toBe(false);
    native.close(far);
    expect(native.eventfdSignal(near)).toBe(false);
    native.close(near);
    expect(native.eventfdSignal(near)).toBe(false);
  });
});

describe('watchFd', () => {
  test('calls back while the descriptor is readable, and not after close', async () => {
    const fd = native.eventfd();
    let calls = 0;
    const watcher = native.watchFd(fd, () => calls++);
    native.eventfdSignal(fd);
    await until(() => calls >= 3);
    native.eventfdDrain(fd);
    watcher.close();
    watcher.close();
    const before = calls;
    native.eventfdSignal(fd);
    for (let turn = 0; turn < 5; turn++) await new Promise((done) => setTimeout(done, 1));
    expect(calls).toBe(before);
    native.close(fd);
  });

  test('closing inside the callback is safe, and the descriptor can be watched again', async () => {
    const fd = native.eventfd();
    native.eventfdSignal(fd);
    for (let round = 0; round < 3; round++) {
      let calls = 0;
      const watcher = native.watchFd(fd, () => {
        calls++;
        watcher.close();
        watcher.close();
      });
      await until(() => calls > 0);
      await new Promise((done) => setImmediate(done));
      expect(calls).toBe(1);
    }
    native.close(fd);
  });

  test('a hang-up counts as readable', async () => {
    const [near, far] = native.socketPair();
    let bytes = -1;
    const watcher = native.watchFd(near, () => {
      bytes = native.receiveMessage(near, new Uint8Array(1), 0)?.bytes ?? -1;
      watcher.close();
    });
    native.close(far);
    await until(() => bytes === 0);
    native.close(near);
  });

  test('a descriptor in error keeps calling back', async () => {
    const path = fifo('error');
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    closeSync(reader);
    let calls = 0;
    const watcher = native.watchFd(writer, () => calls++);
    await until(() => calls >= 3);
    watcher.close();
    closeSync(writer);
  });

  test('a descriptor that cannot be watched is refused without a leak', () => {
    const memory = native.memfdCreate('vpci-test', 4096, false);
    expect(codeOf(() => native.watchFd(memory, () => {}))).toBe('EPERM');
    native.close(memory);
    expect(codeOf(() => native.watchFd(memory, () => {}))).toBe('EBADF');
    const fd = native.eventfd();
    const watcher = native.watchFd(fd, () => {});
    expect(codeOf(() => native.watchFd(fd, () => {}))).toBe('EEXIST');
    watcher.close();
    native.close(fd);
    expect(() => native.watchFd(fd, 1 as unknown as () => void)).toThrow(TypeError);
  });

  test('works in a worker, keeps it alive, and lets it end after close', async () => {
    const fd = native.eventfd();
    const worker = addonWorker(
      `const watcher = native.watchFd(workerData.fd, () => {
         parentPort.postMessage(native.eventfdDrain(workerData.fd));
         watcher.close();
       });
       parentPort.postMessage('watching');`,
      { fd },
    );
    expect(await nextMessage(worker)).toBe('watching');
    const [message, exit] = [nextMessage(worker), once(worker, 'exit')];
    native.eventfdSignal(fd);
    expect(await message).toBe(1n);
    expect((await exit)[0]).toBe(0);
    native.close(fd);
  });

  test('a worker can be terminated with its watcher open and calling back', async () => {
    const fd = native.eventfd();
    native.eventfdSignal(fd);
    for (let round = 0; round < 5; round++) {
      const code = `let calls = 0;
        native.watchFd(workerData.fd, () => { if (++calls === 100) parentPort.postMessage('busy'); });`;
      const worker = addonWorker(code, { fd });
      expect(await nextMessage(worker)).toBe('busy');
      expect(await worker.terminate()).toBe(1);
    }
    native.close(fd);
  });

  test("an exception in a worker's callback is the worker's error", async () => {
    const fd = native.eventfd();
    native.eventfdSignal(fd);
    const worker = addonWorker(
      `native.watchFd(workerData.fd, () => { throw new Error('from the callback'); });`,
      { fd },
    );
    const [error] = await once(worker, 'error');
    expect((error as Error).message).toBe('from the callback');
    native.close(fd);
  });

  test('an exception in the main thread is an uncaughtException, and watching continues', () => {
    const result = runMain(`let calls = 0;
      process.on('uncaughtException', (error) => console.log(error.message));
      const watcher = native.watchFd(fd, () => {
        if (++calls === 2) watcher.close();
        throw new Error('thrown ' + calls);
      });`);
    expect(result).toMatchObject({ status: 0, stdout: 'thrown 1\nthrown 2\n', stderr: '' });
  });

  test('without a handler the exception ends the process with exit code 1', () => {
    const result = runMain(`native.watchFd(fd, () => { throw new Error('nobody catches'); });`);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('nobody catches');
  });

  test('the process exits cleanly with a watcher and a mapping open', () => {
    const result = runMain(`native.mappingBuffer(native.mapAnonymous(4096, false));
      native.watchFd(fd, () => process.exit(7));`);
    expect(result).toMatchObject({ status: 7, stderr: '' });
  });
});

describe('threads and time', () => {
  test('a thread is pinned to the requested CPUs, and only that thread', async () => {
    const cpus = native.getAffinity();
    expect(cpus.length).toBeGreaterThan(0);
    const cpu = cpus.at(-1);
    const code = `native.setAffinity([workerData.cpu]); parentPort.postMessage(native.getAffinity());`;
    expect(await nextMessage(addonWorker(code, { cpu }))).toEqual([cpu]);
    expect(native.getAffinity()).toEqual(cpus);
  });

  test('an empty list of CPUs is EINVAL, a number beyond all CPUs a RangeError', () => {
    expect(codeOf(() => native.setAffinity([]))).toBe('EINVAL');
    expect(() => native.setAffinity([1024])).toThrow(RangeError);
    expect(() => native.setAffinity([-1])).toThrow(RangeError);
  });

  test('all threads of a process are pinned, V8’s and future ones included', () => {
    const cpu = native.getAffinity().at(-1) as number;
    const result = runMain(`native.setAffinityOfAll([${cpu}]);
      const { readdirSync, readFileSync } = require('node:fs');
      const cpus = () => readdirSync('/proc/self/task').map((task) =>
        /^Cpus_allowed_list:\\t(.*)$/m.exec(readFileSync('/proc/self/task/' + task + '/status', 'utf8'))[1]);
      const many = cpus();
      const { Worker } = require('node:worker_threads');
      const worker = new Worker('setTimeout(() => {}, 1e6)', { eval: true });
      worker.once('online', () => { console.log(many.length > 4, [...new Set([...many, ...cpus()])].join()); process.exit(0); });`);
    expect(result).toMatchObject({ status: 0, stdout: `true ${cpu}\n`, stderr: '' });
  });

  test("a thread's name is cut at 15 bytes", async () => {
    const code = `native.setThreadName('vpci-lcore-1234567890');
      parentPort.postMessage(require('node:fs').readFileSync('/proc/thread-self/comm', 'utf8'));`;
    expect(await nextMessage(addonWorker(code))).toBe('vpci-lcore-1234\n');
  });

  test('the time-stamp counter advances at the rate of tscHz', async () => {
    const hz = native.tscHz();
    expect(native.tscHz()).toBe(hz);
    // Another process may take the CPU between the two clocks, but not each time.
    await until(() => {
      const [ticks, time] = [native.rdtsc(), performance.now()];
      while (performance.now() - time < 20);
      const seconds = (performance.now() - time) / 1000;
      const ratio = (native.rdtsc() - ticks) / hz / seconds;
      return ratio > 0.8 && ratio < 1.25;
    });
  });
});

describe('leaks', () => {
  const virtualPages = () => Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]);
  const path = join(folder, 'leak');
  const rounds: Record<string, () => void> = {
    memfd: () => native.close(native.memfdCreate('vpci-leak', 4096, false)),
    mapping: () => {
      const fd = native.memfdCreate('vpci-leak', 1 << 20, false);
      const mapping = native.mapFd(fd, 0, 1 << 20, true);
      native.mappingBuffer(mapping);
      native.unmap(mapping);
      native.close(fd);
    },
    anonymous: () => native.unmap(native.mapAnonymous(16 << 20, false)),
    'refused mapping': () => {
      const fd = native.memfdCreate('vpci-leak', 4096, false);
      codeOf(() => native.mapFd(fd, 0, 8192, true));
      native.close(fd);
    },
    pair: () => native.socketPair().forEach(native.close),
    listen: () => {
      const server = native.unixListen(path);
      const client = native.unixConnect(path);
      [native.unixAccept(server), client, server].forEach(native.close);
    },
    message: () => {
      const [near, far] = native.socketPair();
      native.sendMessage(near, new Uint8Array(1), [near, far, near]);
      native.receiveMessage(far, new Uint8Array(1), 1)?.fds.forEach(native.close);
      [near, far].forEach(native.close);
    },
    eventfd: () => native.close(native.eventfd()),
    dup: () => native.close(native.dup(0)),
    watcher: () => {
      const fd = native.eventfd();
      native.watchFd(fd, () => {}).close();
      native.close(fd);
    },
  };

  test.each(Object.keys(rounds))('1000 rounds of %s leave nothing behind', async (name) => {
    rounds[name]?.();
    const [fds, pages] = [openFds(), virtualPages()];
    for (let round = 0; round < 1000; round++) rounds[name]?.();
    await new Promise((done) => setImmediate(done));
    expect(openFds()).toBe(fds);
    expect(mappedAreas('vpci-leak')).toBe(0);
    // 1000 leaked mappings would be at least 1000 MiB; the heap may grow by far less.
    expect((virtualPages() - pages) * 4096).toBeLessThan(500 << 20);
  });
});
