// SPDX-License-Identifier: BSD-3-Clause
// Every row of the table of commands is reached by a line of its form, and by no other row; a command that
// these ports cannot carry out says so.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DIALECT_PAGE, dialectPage } from '../dialect-page.ts';
import type { Session } from '../session.ts';
import { compile, match } from './grammar.ts';
import { commands } from './table.ts';

const VALUES: Readonly<Record<string, string>> = {
  UINT8: '1',
  UINT16: '0',
  UINT32: '1',
  UINT64: '1',
  STRING: '0',
  'Ethernet address': '01:00:5E:00:00:01',
};

/** Lines of a form, one for each word that its tokens offer. */
function lines(pattern: string): string[] {
  const tokens = compile(pattern);
  const most = Math.max(...tokens.map(({ words }) => words.length), 1);
  return Array.from({ length: most }, (_, i) =>
    tokens.map(({ words, kind }) => (kind ? VALUES[kind.type] : words[i % words.length])).join(' '),
  );
}

/** A session with one port that is stopped, which keeps what is printed. */
function session(started: boolean) {
  const printed: string[] = [];
  const keep = (line: string) => printed.push(line);
  const port = { id: 0, started, config: { rxQueues: 1, txQueues: 1 } };
  return {
    printed,
    it: { output: { print: keep, complain: keep }, ports: { open: [port] } } as unknown as Session,
  };
}

describe('the table of commands', () => {
  it('has one row for each form', () => {
    for (const command of commands)
      for (const line of lines(command.pattern)) {
        const found = match(commands, line);
        expect(found.kind === 'found' ? found.command.pattern : `${found.message}: ${line}`, line).toBe(
          command.pattern,
        );
      }
  });

  it('is that of docs/dialect.md (npm run docs)', () => {
    expect(readFileSync(DIALECT_PAGE, 'utf8')).toBe(dialectPage());
  });

  it.each([true, false])('answers what no port can do, started: %s', (started) => {
    for (const command of commands.filter(({ refused }) => refused))
      for (const line of lines(command.pattern)) {
        const { it: fake, printed } = session(started);
        const found = match(commands, line);
        if (found.kind === 'found') void found.command.run(fake, found.args);
        expect(printed.join('\n').trim(), line).not.toBe('');
        expect(printed.join('\n'), line).not.toMatch(/undefined|\{|NaN/);
      }
  });

  it.each([
    ['set flow_ctrl rx on 9', 'Invalid port 9'],
    ['mcast_addr add 0 00:00:5E:00:00:01', 'Invalid multicast addr 00:00:5E:00:00:01'],
    ['tx_vlan set 0 5', 'Please stop port 0 first'],
    ['rx_vxlan_port add 4789 0', 'udp tunneling add error: (Operation not supported)'],
    [
      'flow isolate 0 1',
      'port_flow_complain(): Caught PMD error type 1 (cause unspecified): Function not implemented: Function not implemented',
    ],
    ['show port tm cap 0', 'cause unspecified: Function not implemented (error 1)'],
  ])("'%s' answers as real testpmd 22.11 does", (line, answer) => {
    const { it: fake, printed } = session(true);
    const found = match(commands, line);
    if (found.kind === 'found') void found.command.run(fake, found.args);
    expect(printed).toEqual([answer]);
  });

  it.each([
    ['port config mtu 0 99999', 'Bad arguments'],
    ['set bypass timeout 7', 'Bad arguments'],
    ['ddp frob', 'Bad arguments'],
    ['frob 0', 'Command not found'],
  ])("'%s': %s", (line, message) => {
    expect(match(commands, line)).toEqual({ kind: 'refused', message });
  });
});
