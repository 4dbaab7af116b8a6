// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { type Command, compile, complete, match, usage } from './grammar.ts';
import { commands } from './table.ts';

const found = (line: string) => {
  const result = match(commands, line);
  return result.kind === 'found' ? { pattern: result.command.pattern, args: result.args } : result.message;
};

describe('the grammar', () => {
  it('finds commands and their arguments', () => {
    expect(found('start')).toEqual({ pattern: 'start', args: {} });
    expect(found('  show   port stats all ')).toMatchObject({ args: { what: 'stats', id: 'all' } });
    expect(found('show port info 3')).toMatchObject({ args: { what: 'info', id: '3' } });
    expect(found('set fwd mac retry')).toMatchObject({ args: { mode: 'mac', retry: 'retry' } });
    expect(found('set burst tx delay 5 retry 9')).toMatchObject({ args: { us: '5', n: '9' } });
    expect(found('show port 0 macs')).toMatchObject({ args: { id: '0' } });
    expect(found('start tx_first 32')).toMatchObject({ args: { n: '32' } });
    const device = String.raw`net_vhost_pci0,path="/a b/\"c, d.sock",queues=2`;
    expect(found(`port attach  ${device} `)).toMatchObject({ args: { identifier: device } });
    expect(found('port attach net_null0 1')).toBe('Bad arguments');
  });

  it("matches words whole and reports errors in testpmd's words", () => {
    for (const line of ['foo', 's', 'sh', 'sto']) expect(found(line)).toBe('Command not found');
    for (const line of [
      'show',
      'show port',
      'show port info',
      'show port info abc',
      'show port info 0 1',
      'set fwd foo',
      'set burst x',
      'set burst -1',
      'start tx_first x',
      'stop now',
      'port stop',
    ]) {
      expect(found(line), line).toBe('Bad arguments');
    }
  });

  it('detects an ambiguous line', () => {
    const row = (pattern: string): Command<null> => ({ pattern, section: '', help: '', run: () => {} });
    expect(match([row('a n=<uint>'), row('a m=<text>')], 'a 1')).toEqual({
      kind: 'refused',
      message: 'Ambiguous command',
    });
  });

  it.each([
    ['sto', 'p '],
    ['stop', ' '],
    ['  show  con', 'fig '],
    ['show port xs', 'tats '],
    ['show port stats a', 'll '],
    ['set fwd macs', 'wap '],
    ['set fwd ma', 'c'],
  ])('regression: completes "%s" by "%s", with a blank after the only word that fits', (line, added) => {
    expect(complete(commands, line)).toEqual({ added, options: [] });
  });

  it('offers what may come next where several things may', () => {
    const offered = (line: string) => {
      const { added, options } = complete(commands, line);
      expect(added).toBe('');
      return options;
    };
    expect(offered('st')).toEqual([
      'start [Fixed STRING]: start: Start packet forwarding with the current configuration.',
      'start [Fixed STRING]: start tx_first [(n)]: Start packet forwarding after sending n bursts (1) on each stream.',
      'stop [Fixed STRING]: stop: Stop packet forwarding and show its statistics.',
    ]);
    const begins = (line: string) => offered(line).map((option) => option.split(':')[0]);
    expect(begins('start ')).toEqual(['[RETURN]', 'tx_first [Fixed STRING]']);
    expect(begins('start tx_first ')).toEqual(['[UINT32]', '[RETURN]']);
    expect(begins('show port stats ')).toEqual(['all [Fixed STRING]', '[UINT16]']);
    expect(begins('set fwd mac')).toEqual(['mac [Mul-choice STRING]', 'macswap [Mul-choice STRING]']);
    expect(offered('stop ')).toEqual(['[RETURN]']);
    expect(offered('nothing ')).toEqual([]);
    expect(offered('').length).toBeGreaterThan(8);
  });

  it('compiles every row, without duplicates', () => {
    for (const command of commands) expect(() => compile(command.pattern)).not.toThrow();
    expect(new Set(commands.map((command) => command.pattern)).size).toBe(commands.length);
    expect(() => compile('a x=<none>')).toThrow('no kind <none>');
  });

  it("shows usage as testpmd's help does", () => {
    const command = commands.find((c) => c.pattern.startsWith('show port what'));
    expect(command && usage(command)).toBe('show port (info|stats|xstats|summary) (port_id|all)');
  });
});
