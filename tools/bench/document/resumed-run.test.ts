// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { pageText } from './page.ts';
import { takeOver } from './resumed-run.ts';
import type { RunFile } from './run-file.ts';
import { casesOf, MACHINE, row, runOf, step } from './runs.test-help.ts';
import { remaining } from './time-left.ts';

describe('a run', () => {
  it('that was interrupted goes on with the cases that it has', () => {
    const before = runOf(step('limit', ['--seconds', '1'], [row('rx-64', 0.9)], 2));
    const now = runOf(step('limit', ['--seconds', '1'], [], 2), step('ovs', [], [], 1));
    now.steps[0]?.wanted.splice(0, 1, 'rx-64');
    takeOver(now, { file: 'f', run: before }, MACHINE);
    expect(casesOf(now)).toEqual([['rx-64'], []]);
    expect(remaining(now, { guess: () => 5 })).toBe('case 2 of 3, about 20 s left');
  });

  it('regression: that was interrupted loses no figure to another plan', () => {
    const before = runOf(
      step('limit', ['--seconds', '1'], [row('rx-64', 0.9)], 3),
      step('ovs', [], [], 1),
      step('memif', [], [row('rx-64', 1), row('of another build', 1)]),
    );
    const now = runOf(step('memif', [], [], 2));
    now.steps[0]?.wanted.splice(0, 1, 'rx-64');
    takeOver(now, { file: 'f', run: before }, MACHINE);
    expect(now.steps.map(({ suite }) => suite)).toEqual(['memif', 'limit']);
    expect(casesOf(now)).toEqual([['rx-64', 'of another build'], ['rx-64']]);
    expect(now.steps[0]?.wanted).toEqual(['rx-64', 'case 1', 'of another build']);
    expect(now.steps[1]).toEqual(before.steps[0]);
  });

  it('that was interrupted says when it began and when it went on, and under which load', () => {
    const surroundings = (load: number) => ({ mhz: [1, 1], virtual: true, load, dpdkFlags: null });
    const before = {
      ...runOf(step('limit', [], [row('case 0', 0.9)], 2)),
      ...{ started: 'then', surroundings: surroundings(1) },
    };
    const resumed = (last: RunFile, wanted: number, at: string) => {
      const now = { ...runOf(step('limit', [], [], wanted)), started: at, surroundings: surroundings(2) };
      takeOver(now, { file: 'f', run: last }, MACHINE);
      return now;
    };
    const once = resumed(before, 2, 'now');
    expect([once.started, once.surroundings.load, once.resumed]).toEqual([
      ...['then', 1],
      [{ at: 'now', load: 2 }],
    ]);
    expect(resumed(once, 2, 'later').resumed).toEqual([
      { at: 'now', load: 2 },
      { at: 'later', load: 2 },
    ]);
    const whole = runOf(step('limit', [], [row('case 0', 0.9)]));
    expect(resumed(whole, 1, 'now').resumed).toBeUndefined();
    const page = { run: once, sections: [], sideBySide: undefined };
    expect(pageText(page)).toMatch(
      /, then, [\s\S]*load 1\.0 before the run\nresumed now, load 2\.0 before\n/,
    );
  });

  it('regression: that was disturbed repeats its disturbed cases if it is to', () => {
    const before = runOf(step('limit', [], [row('case 0', 0.9), row('case 1', 1, { disturbed: true })]));
    const resumed = (repeatDisturbed: boolean) => {
      const now = runOf(step('limit', [], [], 2));
      takeOver(now, { file: 'f', run: before, repeatDisturbed }, MACHINE);
      return casesOf(now);
    };
    expect([resumed(false), resumed(true)]).toEqual([[['case 0', 'case 1']], [['case 0']]]);
  });

  it.each([
    [{ quick: false }, {}, 'x/report.json is of a run without --quick: leave --quick out'],
    [
      { version: '0' },
      {},
      'x/report.json is of version "0", and this is "1": start a new run without --resume, or name another folder with --out',
    ],
    [{}, { cpus: 64 }, 'x/report.json was measured elsewhere or with other parts (CPUs: 2, now 64): start'],
    [{}, { hugepages: false, dpdk: '19.11' }, '(hugepages: true, now false; DPDK: "22.11", now "19.11"): '],
    [{}, { cpu: 'b', kernel: '5', node: 'v18' }, '(CPU: "a <CPU>", now "b"; Linux: "6", now "5"; Node: '],
    [{ machine: { ...MACHINE, ovs: '3.1.0' } }, { ovs: '3.2.0' }, '(Open vSwitch: "3.1.0", now "3.2.0"): '],
  ])('that was interrupted is refused by what differs now, and nothing changes: %#', (old, here, said) => {
    const before = { ...runOf(step('limit', [], [row('rx-64', 0.9)])), ...old };
    const now = runOf(step('limit', [], [], 1));
    const resume = () => takeOver(now, { file: 'x/report.json', run: before }, { ...MACHINE, ...here });
    expect(resume).toThrow(said);
    expect(casesOf(now)).toEqual([[]]);
  });

  it('that was interrupted with --quick asks for it', () => {
    const before = runOf(step('limit', [], [row('rx-64', 0.9)]));
    const now = { ...runOf(step('limit', [], [], 1)), quick: false };
    expect(() => takeOver(now, { file: 'x/report.json', run: before }, MACHINE)).toThrow(
      'x/report.json is of a run with --quick: give --quick, too',
    );
  });

  it('that was interrupted differs in nothing that did not run or is not installed', () => {
    const now = runOf(step('limit', [], [], 1));
    const elsewhere = { ...MACHINE, cpu: 'b' };
    takeOver(now, { file: 'f', run: { ...runOf(step('limit', [], [], 1)), machine: elsewhere } }, MACHINE);
    const before = runOf(step('limit', [], [row('case 0', 0.9)]));
    takeOver(now, { file: 'f', run: before }, { ...MACHINE, dpdk: null, ovs: '3.1.0' });
    expect([casesOf(now), now.machine]).toEqual([[['case 0']], MACHINE]);
  });
});
