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

  it('completes words', () => {
    expect(complete(commands, 'sto')).toEqual(['stop']);
    expect(complete(commands, 'show port ')).toEqual(['info', 'stats', 'summary', 'xstats']);
    expect(complete(commands, 'show port s')).toEqual(['stats', 'summary']);
    expect(complete(commands, 'show port stats ')).toEqual(['all']);
    expect(complete(commands, 'set fwd mac')).toEqual(['mac', 'macswap']);
    expect(complete(commands, 'nothing ')).toEqual([]);
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
