// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { native } from '../native.ts';
import { chooseSystemCalls } from './ioctl.ts';

const require = createRequire(import.meta.url);
const without = (missing: string) => (name: string) => {
  if (name === missing) throw new Error(`Cannot find module '${name}'`);
  return require(name);
};
const ffi = chooseSystemCalls(require, true);
const addon = chooseSystemCalls(without('ffi-napi'), true);

/** asm-generic/ioctls.h; FIONREAD answers with an int, FIONBIO reads one. */
const FIONREAD = 0x541b;
const FIONBIO = 0x5421;
/** No driver has it. */
const UNKNOWN = 0xdead_beef;

describe('system calls of kernel VFIO', () => {
  it('are made by ffi-napi, or by the addon where one of the packages cannot be loaded', () => {
    expect(ffi.name).toBe('ffi-napi');
    for (const missing of ['ffi-napi', 'ref-napi', 'ref-struct-di'])
      expect(chooseSystemCalls(without(missing), true).name).toBe('addon');
  });

  it('regression: a worker thread that made some may end', () => {
    const [loader, ioctls] = ['tsx/esm/api', './ioctl.ts'].map((name) => import.meta.resolve(name));
    const worker = `
      import('${loader}').then(async ({ register }) => {
        register();
        console.log((await import('${ioctls}')).systemCalls().name);
      });`;
    const program = `
      const { Worker } = require('node:worker_threads');
      new Worker(${JSON.stringify(worker)}, { eval: true }).on('exit', (code) => console.log('ended', code));`;
    const { stdout, stderr, signal } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
    expect([stdout, stderr, signal]).toEqual(['addon\nended 0\n', '', null]);
  });

  describe.each([ffi, addon])('by $name', ({ ioctl, struct }) => {
    it('read and write the structure that they are given', () => {
      const [one, other] = native.socketPair();
      try {
        writeSync(one, '12345');
        const bytes = Buffer.alloc(4);
        expect([ioctl(other, FIONREAD, bytes), bytes.readInt32LE()]).toEqual([0, 5]);
        expect(ioctl(other, FIONBIO, Buffer.from([1, 0, 0, 0]))).toBe(0);
      } finally {
        for (const fd of [one, other]) native.close(fd);
      }
    });

    it('fail with the name of the error', () => {
      const fd = openSync('/dev/null', 'r');
      const failing = (argument: Buffer | number) => () => ioctl(fd, UNKNOWN, argument);
      for (const argument of [0, Buffer.alloc(8)])
        expect(failing(argument)).toThrow(expect.objectContaining({ code: 'ENOTTY', syscall: 'ioctl' }));
      closeSync(fd);
    });

    it('lay structures out as C does', () => {
      const type = struct({ a: 'uint8', b: 'uint16', c: 'int32', d: 'uint8', e: 'uint64', f: 'uint16' });
      const fields = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
      expect([type.size, ...fields.map((field) => type.offsetOf(field))]).toEqual([32, 0, 2, 4, 8, 16, 24]);
      const bytes = type.encode({ a: 0xff, c: -2, e: 0x1122_3344_5566_7788n });
      expect(bytes.toString('hex')).toBe('ff000000feffffff000000000000000088776655443322110000000000000000');
    });
  });
});
