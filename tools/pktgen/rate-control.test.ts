// SPDX-License-Identifier: BSD-3-Clause
// Rates and streams that are changed while frames are sent: by calls, typed lines, and keys.
import { describe, expect, it } from 'vitest';
import { obey } from './control-line.ts';
import type { Interrupt } from './interrupt.ts';
import { KEYS, Keys } from './keys.ts';
import type { Stream } from './plan/stream.ts';
import { type Change, changeLine, RateControl } from './rate-control.ts';
import { Workload } from './workload.ts';

const MACS = { srcMac: '02:00:00:00:00:02', dstMac: '02:00:00:00:00:01' };
const STREAMS: readonly Stream[] = [{ name: 'voice', rate: '10kpps' }, { name: 'the bulk' }, { size: 128 }];

function controlled(streams = STREAMS, rate = '100kpps', fixed?: string) {
  const options = { rate, line: 10e9, where: '', macs: MACS, seed: 1 };
  const workload = Workload.of(streams, options);
  const applied: (readonly number[])[] = [];
  const reported: Change[] = [];
  let seconds = 0;
  const control = new RateControl({
    ...{ workload, fixed },
    apply: (pps) => applied.push(pps),
    now: () => ++seconds,
    report: (change) => reported.push(change),
  });
  let raised = false;
  const interrupt = {
    raise: () => {
      raised = true;
    },
  } as Interrupt;
  return { control, workload, applied, reported, interrupt, ended: () => raised };
}

describe('a change', () => {
  it('of one stream leaves the others as they are', () => {
    const { control, applied } = controlled();
    expect(control.pps()).toEqual([10_000, 50_000, 50_000]);
    control.setRate('20kpps', 0);
    control.setRate('1kpps', 1);
    control.stop(2);
    control.start(2);
    expect(applied).toEqual([
      [20_000, 50_000, 50_000],
      [20_000, 1000, 50_000],
      [20_000, 1000, 0],
      [20_000, 1000, 50_000],
    ]);
  });

  it('of the rate is of the streams without one of their own', () => {
    const { control } = controlled();
    control.multiply(2);
    control.setRate('30kpps');
    expect(control.pps()).toEqual([20_000, 15_000, 15_000]);
    expect(control.factor).toBe(1);
    control.setRate('1kpps', 1);
    control.setRate('30kpps');
    expect(control.pps()).toEqual([20_000, 1000, 30_000]);
  });

  it('by a factor keeps within bounds, and is undone by a rate', () => {
    const { control } = controlled();
    for (let i = 0; i < 20; i++) control.multiply(2);
    expect(control.factor).toBe(1000);
    control.setRate('7kpps', 0);
    expect(control.pps()[0]).toBeCloseTo(7000);
    for (let i = 0; i < 40; i++) control.multiply(0.5, 1);
    expect(control.pps()[1]).toBeCloseTo(50_000);
  });

  it('stops and starts all, whichever were stopped', () => {
    const { control } = controlled();
    control.stop(1);
    control.stop();
    expect(control.pps()).toEqual([0, 0, 0]);
    expect(() => control.stop()).toThrow('all streams are stopped already');
    control.start();
    expect(control.pps()).toEqual([10_000, 50_000, 50_000]);
    expect(() => control.start(0)).toThrow("'voice' is started already");
  });

  it('is told with its time, its stream and its rate', () => {
    const { control, reported } = controlled();
    control.stop(0);
    control.setRate('1mpps');
    control.multiply(2, 0);
    expect(control.changes).toEqual(reported);
    expect(reported).toEqual([
      { seconds: 1, change: 'stream voice: stopped', stream: 'voice', pps: 0 },
      { seconds: 2, change: 'all streams: rate: 1.000 Mpps', stream: null, pps: 1e6 },
      { seconds: 3, change: 'stream voice: rate x 2.00', stream: 'voice', pps: 0 },
    ]);
    expect(changeLine(reported[0] as Change)).toBe('t=1.000 s  stream voice: stopped');
    for (let i = 0; i < 2000; i++) control.multiply(1.1);
    expect([control.changes.length, reported.length]).toEqual([1000, 2003]);
  });

  it('that is refused changes nothing', () => {
    const { control, applied } = controlled();
    for (const [rate, stream, says] of [
      ['fast', undefined, "rate: 'fast' is not a rate"],
      ['0', 0, "rate: '0': a rate must be above 0"],
      ['max', 0, "rate: 'max' leaves nothing for other streams"],
      ['50%max', 0, "rate: '50%max': the maximum was not measured"],
    ] as const)
      expect(() => control.setRate(rate, stream)).toThrow(says);
    expect([applied, control.changes]).toEqual([[], []]);
    expect(control.pps()).toEqual([10_000, 50_000, 50_000]);
    const own = controlled([{ rate: '1kpps' }]);
    expect(() => own.control.setRate('2kpps')).toThrow('every stream has a rate of its own: name one');
    expect(() => controlled(STREAMS, '1kpps', '--ping has none').control.setRate('1')).toThrow(
      '--ping has none',
    );
  });
});

describe('a stream is found', () => {
  it('by its name, or by its number', () => {
    const { control } = controlled();
    expect(['voice', 'the bulk', '2', '0', 1].map((name) => control.find(name))).toEqual([0, 1, 2, 0, 1]);
    for (const name of ['', '3', '-1', 'Voice', '1.0'])
      expect(() => control.find(name)).toThrow(
        `'${name}' is none of the streams: 0 (voice), 1 (the bulk), 2`,
      );
    const symbol = Symbol('voice') as unknown as string;
    expect(() => control.find(symbol)).toThrow(
      "'Symbol(voice)' is none of the streams: 0 (voice), 1 (the bulk), 2",
    );
  });

  it('by a number that is the name of another, as a number', () => {
    const { control } = controlled([{ name: '1' }, { name: 'b' }]);
    expect([control.find('1'), control.find(1)]).toEqual([0, 1]);
  });
});

describe('a typed line', () => {
  it.each([
    ['rate 30kpps', [10_000, 15_000, 15_000]],
    ['  rate   voice 2kpps ', [2000, 50_000, 50_000]],
    ['rate the bulk 2kpps', [10_000, 2000, 50_000]],
    ['rate 2 2kpps', [10_000, 50_000, 2000]],
    ['stop the bulk', [10_000, 0, 50_000]],
    ['stop', [0, 0, 0]],
    ['', [10_000, 50_000, 50_000]],
  ])('%j is obeyed', (line, pps) => {
    const { control, interrupt } = controlled();
    obey(line, control, interrupt);
    expect(control.pps()).toEqual(pps);
  });

  it.each([
    ['faster', "'faster': no command: rate [STREAM] RATE, stop [STREAM], start [STREAM], quit"],
    ['quit now', "'quit now': no command"],
    ['rate', 'rate: it needs one'],
    ['rate voice', "rate: 'voice' is not a rate"],
    ['stop bass', "stream: 'bass' is none of the streams"],
    ['start', 'all streams are started already'],
  ])('%j is refused in one line', (line, says) => {
    const { control, interrupt, applied } = controlled();
    expect(() => obey(line, control, interrupt)).toThrow(says);
    expect(applied).toEqual([]);
  });

  it('ends the run', () => {
    const { control, interrupt, ended } = controlled();
    obey('quit', control, interrupt);
    expect(ended()).toBe(true);
  });
});

describe('keys', () => {
  const pressed = (text: string, streams = STREAMS) => {
    const all = controlled(streams);
    const keys = new Keys(all.control, all.interrupt);
    for (const key of text) keys.press(key);
    return { ...all, keys };
  };

  it.each([
    [']', [20_000, 100_000, 100_000]],
    ['[', [5000, 25_000, 25_000]],
    ['n]', [20_000, 50_000, 50_000]],
    ['nn[', [10_000, 25_000, 50_000]],
    ['nnnn]', [20_000, 100_000, 100_000]],
    ['ns', [0, 50_000, 50_000]],
    ['nss', [10_000, 50_000, 50_000]],
    ['nsnnns', [0, 0, 0]],
    ['nsnnnss', [10_000, 50_000, 50_000]],
    [':rate voice 1kpps\r', [1000, 50_000, 50_000]],
    [':stop voicex\u007f\r', [0, 50_000, 50_000]],
    [':stop voice\u001b', [10_000, 50_000, 50_000]],
    ['x', [10_000, 50_000, 50_000]],
  ])('%j are for all streams or one', (text, pps) => {
    expect(pressed(text).control.pps()).toEqual(pps);
  });

  it('change the rate by ten per cent', () => {
    expect(pressed('+').control.factor).toBeCloseTo(1.1);
    expect(pressed('=-').control.factor).toBeCloseTo(1);
  });

  it('have a line that says what is typed, or was wrong with it', () => {
    expect(pressed('').keys.footer).toBe(KEYS);
    expect(pressed(':stop v').keys.footer).toBe(':stop v_');
    expect(pressed(':stop v\r').keys.footer).toContain("'v' is none of the streams");
    expect(pressed(':stop v\r+').keys.footer).toBe(KEYS);
  });

  it('end the run, but not from within a line', () => {
    expect([pressed('q').ended(), pressed(':q').ended(), pressed(':\u0003').ended()]).toEqual([
      true,
      false,
      true,
    ]);
  });
});
