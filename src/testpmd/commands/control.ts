// SPDX-License-Identifier: BSD-3-Clause
// The commands start, stop, quit, help and load.
import type { Session } from '../session.ts';
import { type Command, helpOf, usage } from './grammar.ts';

const section = 'control';

type Commands = readonly Command<Session>[];

/** `commands` is the complete table, for `help`. */
export function controlCommands(commands: Commands): Commands {
  return [
    {
      pattern: 'start',
      section,
      help: 'Start packet forwarding with the current configuration.',
      run: (session) => start(session, 0),
    },
    {
      pattern: 'start tx_first [n=<uint>]',
      section,
      help: 'Start packet forwarding after sending n bursts (1) on each stream.',
      run: (session, { n }) => start(session, Number(n ?? 1)),
    },
    {
      pattern: 'stop',
      section,
      help: 'Stop packet forwarding and show its statistics.',
      run: (session) => session.stopForwarding(),
    },
    { pattern: 'quit', section, help: 'Quit to the shell.', run: (session) => session.quit() },
    {
      pattern: 'help [section=<text>]',
      section,
      help: 'Show this help.',
      run: (session, args) => help(session, commands, args),
    },
    {
      pattern: 'load file=<text>',
      section,
      help: 'Run the commands of a file.',
      run: (session, { file }) => session.onLoad(file, false),
    },
    {
      pattern: 'load_echo file=<text>',
      section,
      help: 'Run the commands of a file and print each of them.',
      run: (session, { file }) => session.onLoad(file, true),
    },
  ];
}

async function start(session: Session, txFirst: number): Promise<void> {
  await session.forwarding.start(session.ports.forwarding, txFirst);
}

const SECTIONS: Readonly<Record<string, string>> = {
  control: 'Start and stop forwarding.',
  display: 'Displaying port, stats and config information.',
  config: 'Configuration information.',
  ports: 'Configuring ports.',
  filters: 'Filters configuration help.',
  traffic_management: 'Traffic Management commands.',
  devices: 'Device related commands.',
  drivers: 'Driver specific commands.',
  all: 'All of the above sections.',
};

function help(
  session: Session,
  commands: Commands,
  { section: wanted }: Readonly<Record<string, string>>,
): void {
  const lines: string[] = [];
  if (wanted === undefined) {
    lines.push('\nHelp is available for the following sections:\n');
    for (const [name, text] of Object.entries(SECTIONS))
      lines.push(`    ${`help ${name}`.padEnd(31)} : ${text}`);
  } else if (!(wanted in SECTIONS)) {
    session.output.print(`Bad arguments: the sections are ${Object.keys(SECTIONS).join(', ')}`);
    return;
  }
  let heading = '';
  for (const command of commands) {
    if (wanted !== 'all' && command.section !== wanted) continue;
    if (wanted === 'all' && command.section !== heading) {
      heading = command.section;
      const title = SECTIONS[heading]?.replace(/\.$/, ':') ?? '';
      lines.push(`\n${title}\n${'-'.repeat(title.length)}`);
    }
    lines.push(`\n${usage(command)}\n    ${helpOf(command)}`);
  }
  session.output.print(`${lines.join('\n')}\n`);
}
