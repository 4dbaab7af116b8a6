// SPDX-License-Identifier: BSD-3-Clause
// Commands of testpmd that these ports cannot carry out. Each is known and answers what testpmd answers for a
// port driver that lacks the operation, so that scripts go on as they do there.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

type Args = Readonly<Record<string, string>>;

/** What is printed; `{name}` stands for an argument of that name. */
export type Answer = string | ((session: Session, args: Args) => string);

/** Rows for `patterns`, one on each line. A row with an argument `id` first checks that the port exists. */
export function refused(section: string, help: string, answer: Answer, patterns: string): Command<Session>[] {
  const all = patterns.split('\n').map((pattern) => pattern.trim());
  return all
    .filter((pattern) => pattern !== '')
    .map((pattern) => ({
      pattern,
      section,
      help,
      refused: true,
      run: (session, args) => {
        if (args.id !== undefined && portsNamed(session, args.id) === null) return;
        session.output.complain(typeof answer === 'string' ? filled(answer, args) : answer(session, args));
      },
    }));
}

/** Forms that have the same answer, one on each line. */
export type Group = readonly [help: string, answer: Answer, patterns: string];

export function rows(section: string, groups: readonly Group[]): Command<Session>[] {
  return groups.flatMap(([help, answer, patterns]) => refused(section, help, answer, patterns));
}

/** The answer, unless the port is started: then testpmd first asks to stop it. */
export function whenStopped(answer: string): Answer {
  return (session, args) => {
    const ports = session.ports.open.filter(({ id }) => args.id === undefined || id === Number(args.id));
    if (!ports.some((port) => port.started)) return filled(answer, args);
    return args.id === undefined ? 'Please stop all ports first' : `Please stop port ${args.id} first`;
  };
}

function filled(text: string, args: Args): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, name) => args[name] ?? '');
}
