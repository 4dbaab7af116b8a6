// SPDX-License-Identifier: BSD-3-Clause
// The line editor without a terminal: which bytes it writes for which keys.
import { describe, expect, it } from 'vitest';
import { LineEditor } from './line-editor.ts';

/** An editor whose commands end when `done` is called. */
function editor(maxLength = 80) {
  const written: string[] = [];
  const entered: string[] = [];
  let ends = 0;
  const made = new LineEditor(
    {
      write: (text) => written.push(text),
      enter: (line) => entered.push(line),
      end: () => ends++,
      complete: (line) =>
        line === 'sto' ? { added: 'p ', options: [] } : { added: '', options: ['a', 'b'] },
      choices: (line) => [`after ${line}`],
    },
    '> ',
    maxLength,
  );
  const take = () => written.splice(0).join('');
  return {
    entered,
    take,
    type: (keys: string | Buffer) => {
      made.feed(Buffer.from(keys));
      return take();
    },
    done: () => {
      made.ready();
      return take();
    },
    shown: () => {
      made.show();
      return take();
    },
    ends: () => ends,
  };
}

function ready() {
  const made = editor();
  made.done();
  return made;
}

describe('the line editor', () => {
  it('writes the bare prompt, and echoes a line as it is typed', () => {
    const line = editor();
    expect(line.done()).toBe('> ');
    expect(line.type('start')).toBe('start');
    expect(line.type('\r')).toBe('\r\n');
    expect(line.entered).toEqual(['start']);
  });

  it('echoes a line that was typed ahead when it is executed', () => {
    const line = ready();
    expect(line.type('start\n\nstop\nqu')).toBe('start\r\n');
    expect(line.entered).toEqual(['start']);
    expect(line.shown()).toBe('');
    expect(line.done()).toBe('> \r\n');
    expect(line.done()).toBe('> stop\r\n');
    expect(line.done()).toBe('> qu');
    expect(line.entered).toEqual(['start', '', 'stop']);
    expect(line.shown()).toBe('> qu');
  });

  it('cancels the line at ^C, does nothing at ^Z, and ends at ^D on an empty line only', () => {
    const line = ready();
    expect(line.type('sta\x1art\x03')).toBe('start\r\n> ');
    expect(line.type('\r')).toBe('\r\n');
    expect(line.entered).toEqual(['']);
    line.done();
    expect(line.type('ab\x01\x04')).toBe('ab\x1b[2Db\x1b[K\x1b[1D');
    expect(line.type('\x04\x04ab\r')).toBe('\x1b[K');
    expect(line.ends()).toBe(1);
    expect(line.entered).toEqual(['']);
  });

  it('completes, and lists what may come next with the line below', () => {
    const line = ready();
    expect(line.type('sto\t')).toBe('stop ');
    expect(line.type('\t')).toBe('\r\n a\r\n b\r\n> stop ');
    expect(line.type('?')).toBe('\r\n after stop \r\n> stop ');
  });

  it.each([
    ['abc\x1b[D\x1b[DX', 'aXbc'],
    ['abc\x02\x02\x06X', 'abXc'],
    ['abc\x01X\x05Y', 'XabcY'],
    ['abc\x1b[HX\x1b[FY', 'XabcY'],
    ['abc\x1bOHX\x1bOFY', 'XabcY'],
    ['one two\x17X\x19', 'one Xtwo'],
    ['set a-b\x1b\x7fX', 'set a-X'],
    ['set a-b\x17X', 'set X'],
    ['one two\x1bbX', 'one Xtwo'],
    ['one two\x1b[1;5DX\x1b[1;5CY', 'one XtwoY'],
    ['one two\x01\x1bdX', 'X two'],
    ['one two\x01\x1bfX', 'oneX two'],
    ['abc\x02\x15X', 'Xc'],
    ['abc\x02\x0bX', 'abX'],
    ['abc\x7f\x08X', 'aX'],
    ['abc\x01\x1b[3~X', 'Xbc'],
    ['a\x1b[99~\x1b[Z\x1bqb', 'ab'],
    ['\x02\x06\x7f\x0b\x15\x17ab', 'ab'],
    ['żó\x02\x7fX', 'Xó'],
  ])('edits %j to %j', (keys, text) => {
    const line = ready();
    line.type(`${keys}\r`);
    expect(line.entered).toEqual([text]);
  });

  it('knows a key whose bytes come one by one', () => {
    const line = ready();
    for (const byte of Buffer.from('aż\x1b[DX\r')) line.type(Buffer.of(byte));
    expect(line.entered).toEqual(['aXż']);
  });

  it('goes back to earlier lines, and forth to the one that was begun', () => {
    const line = ready();
    for (const text of ['one', 'two', 'two', ' ']) {
      line.type(`${text}\r`);
      line.done();
    }
    expect(line.type('dra\x1b[A')).toBe('dra\x1b[3Dtwo\x1b[K');
    expect(line.type('\x10')).toBe('\x1b[3Done\x1b[K');
    expect(line.type('\x10')).toBe('');
    expect(line.type('\x0e\x1b[B')).toBe('\x1b[3Dtwo\x1b[K\x1b[3Ddra\x1b[K');
    line.type('\x10!\r');
    expect(line.entered.at(-1)).toBe('two!');
  });

  it('refuses what does not fit, with a bell', () => {
    const line = editor(3);
    line.done();
    expect(line.type('abcd')).toBe('abc\x07');
    line.type('\r');
    expect(line.entered).toEqual(['abc']);
  });
});
