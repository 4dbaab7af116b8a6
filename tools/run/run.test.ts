// SPDX-License-Identifier: BSD-3-Clause
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  numberBetween,
  numberList,
  seconds,
  secondsOrNone,
  share,
  wholeNumber,
  wholeOrHexNumber,
  wordList,
} from './arguments.ts';
import { dpdkCommand, requireDpdk, requireMemif } from './dpdk.ts';
import { findProgram, ourProgram } from './programs.ts';
import { lcoresOn, testpmdArguments } from './testpmd-options.ts';
import { twoCpus, Workspace } from './workspace.ts';

const PATH = process.env.PATH;
afterEach(() => {
  process.env.PATH = PATH;
});

describe('option values', () => {
  it('are whole numbers in a range', () => {
    expect(wholeNumber(1, 5)('5')).toBe(5);
    for (const wrong of ['0', '6', '-1', '1.5', '', 'x', '0x1'])
      expect(() => wholeNumber(1, 5)(wrong)).toThrow('from 1 to 5');
  });
  it('may be hexadecimal where they are PCI ids', () => {
    expect([wholeOrHexNumber(0, 99)('0x1F'), wholeOrHexNumber(0, 99)('31')]).toEqual([31, 31]);
    for (const wrong of ['0x64', '100', '0x', '1f'])
      expect(() => wholeOrHexNumber(0, 99)(wrong)).toThrow('0 to 99');
  });
  it('are seconds', () => {
    expect([seconds(10)('0.5'), seconds()('1000000')]).toEqual([0.5, 1e6]);
    for (const wrong of ['0', '11', '1s', '-1', ''])
      expect(() => seconds(10)(wrong)).toThrow('Expected a number of seconds from 0.001 to 10.');
    expect(secondsOrNone('0')).toBe(0);
    expect(() => secondsOrNone('-1')).toThrow('Expected a number of seconds from 0 to 1000000000.');
  });
  it('regression: are numbers as programs write them, and the range of what is refused is said', () => {
    expect([seconds()('1e9'), seconds()('.5'), seconds()('2E-1')]).toEqual([1e9, 0.5, 0.2]);
    for (const wrong of ['1e-9', '1e10', '0x1', '1e', '.', 'Infinity'])
      expect(() => seconds()(wrong)).toThrow('Expected a number of seconds from 0.001 to 1000000000.');
    expect(numberBetween(0.001, 10, 'microseconds')('1e-3')).toBe(0.001);
    expect(() => numberBetween(0.001, 10, 'microseconds')('0')).toThrow(
      'Expected a number of microseconds from 0.001 to 10.',
    );
    expect(() => numberBetween(0.001, 10)('0')).toThrow('Expected a number from 0.001 to 10.');
  });
  it('are shares', () => {
    expect([share('.1'), share('1')]).toEqual([0.1, 1]);
    for (const wrong of ['0', '1.1', '10%', '']) expect(() => share(wrong)).toThrow('up to 1');
  });
  it('are lists without duplicates', () => {
    expect(numberList(1, 99)('3,1,3')).toEqual([3, 1]);
    expect(wordList(['a', 'b'])('b,a,b')).toEqual(['b', 'a']);
    expect(() => wordList(['a', 'b'])('a,c')).toThrow("'c' is not one of a, b");
    expect(() => numberList(1, 99)('3,')).toThrow('from 1 to 99');
  });
});

describe('programs', () => {
  it('of our own run with this Node, from the tree or from dist', () => {
    expect(ourProgram('vhost-pci-device')).toContain(process.execPath);
    expect(ourProgram('vhost-pci-device').at(-1)).toMatch(/tools\/device\/main\.ts$/);
  });
  it('are found on the PATH or not at all', () => {
    expect(findProgram('sh')).toMatch(/\/sh$/);
    process.env.PATH = '/nowhere';
    expect(findProgram('sh')).toBeUndefined();
  });
  it('that are missing come with advice', () => {
    process.env.PATH = '/nowhere';
    expect(requireDpdk).toThrow(/^dpdk-testpmd is not installed: apt-get install dpdk-dev /);
  });
});

describe('dpdk-testpmd', () => {
  const options = { vdevs: ['net_vhost0,iface=/s'], cpu: 3, burst: 32 };
  it('has all lcores on one CPU, or the main one on another', () => {
    expect(lcoresOn(3)).toBe('0@3,1@3');
    expect(lcoresOn(3, 2, 4)).toBe('0@4,1@3,2@3');
    expect(dpdkCommand({ ...options, hugepages: true }, 'p')).toContain('0@3,1@3');
  });
  it('uses memory that a vhost-user back-end can map, with and without hugepages', () => {
    expect(dpdkCommand({ ...options, hugepages: true }, 'p')).toContain('--single-file-segments');
    const plain = dpdkCommand({ ...options, hugepages: false }, 'p');
    expect(plain).toContain('--no-huge');
    expect(plain).not.toContain('--in-memory');
  });
  it('gets its own options after the two dashes', () => {
    const command = dpdkCommand({ ...options, hugepages: true }, 'p');
    expect(command.indexOf('--burst=32')).toBeGreaterThan(command.indexOf('--'));
  });
  it('takes the same options as ours, and omitted options are not passed', () => {
    expect(testpmdArguments({})).toEqual([]);
    expect(
      testpmdArguments({
        forwardMode: 'io',
        burst: 8,
        frameSize: 64,
        queues: 2,
        ringSize: 256,
        autoStart: true,
      }),
    ).toEqual([
      ...['--forward-mode=io', '--burst=8', '--txpkts=64', '--rxq=2', '--txq=2', '--rxd=256', '--txd=256'],
      '--auto-start',
    ]);
    expect(testpmdArguments({ interactive: true, more: ['--no-flush-rx'] })).toEqual(['-i', '--no-flush-rx']);
  });
});

describe('a workspace', () => {
  it('names TMPDIR where it is too long for a socket', () => {
    const parent = mkdtempSync(join(tmpdir(), 'x'.repeat(80)));
    const workspace = new Workspace(parent);
    expect(() => workspace.path('u'.repeat(20))).toThrow(
      /^Failed to use \/.*: the path of a socket has at most 107 bytes, and this one has \d+; set TMPDIR to a shorter one$/,
    );
    rmSync(parent, { recursive: true });
  });

  it('returns paths that are unused and short enough for a socket', () => {
    expect(() => new Workspace('/nowhere')).toThrow(
      'Failed to create a folder in /nowhere (set TMPDIR to a writable one): ENOENT: no such file or directory',
    );
    const workspace = new Workspace();
    const paths = [workspace.path('u'), workspace.path('u')];
    expect(new Set(paths).size).toBe(2);
    for (const path of paths) expect(path.length).toBeLessThan(107);
    expect(existsSync(workspace.folder)).toBe(true);
    workspace.remove();
    expect(existsSync(workspace.folder)).toBe(false);
  });
});

it('two CPUs are the first two allowed ones, or the only one twice', () => {
  expect(twoCpus([4, 6, 8])).toEqual([4, 6]);
  expect(twoCpus([5])).toEqual([5, 5]);
  expect(() => twoCpus([])).toThrow('no CPU');
});

describe('net_memif', () => {
  const folder = mkdtempSync(join(tmpdir(), 'dpdk-'));
  const drivers = join(folder, 'x86_64-linux-gnu/dpdk/pmds-23.0');
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is required where drivers are libraries; elsewhere DPDK itself has it or not', () => {
    expect(() => requireMemif(join(folder, 'nothing'))).not.toThrow();
    mkdirSync(drivers, { recursive: true });
    writeFileSync(join(drivers, 'librte_net_vhost.so.23'), '');
    expect(() => requireMemif(folder)).toThrow(/net_memif is not installed: apt-get install/);
    writeFileSync(join(drivers, 'librte_net_memif.so.23'), '');
    expect(() => requireMemif(folder)).not.toThrow();
  });
});
