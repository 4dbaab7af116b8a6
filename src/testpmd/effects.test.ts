// SPDX-License-Identifier: BSD-3-Clause
// Nothing is taken silently: every command that is not refused prints something or changes the session, and
// every option changes a setting, says that it has no effect, or has a reason why nothing is missed.
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../native.ts';
import type { Command } from './commands/grammar.ts';
import { compile, match } from './commands/grammar.ts';
import { commands } from './commands/table.ts';
import { ealOptions } from './eal-options.ts';
import type { OptionRow } from './getopt.ts';
import { testpmdOptions } from './options.ts';
import { Session } from './session.ts';
import { defaultEalSettings, defaultSettings } from './settings.ts';

const cpu = native.getAffinity().at(-1) ?? 0;
const works = commands.filter(({ refused }) => !refused);

/** Words for the placeholders of commands, by kind, or by name where a kind is too general. */
const BY_KIND: Readonly<Record<string, string>> = {
  UINT8: '2',
  UINT16: '0',
  UINT32: '2',
  UINT64: '1',
  STRING: '0',
  'Ethernet address': '02:00:00:00:00:05',
};
const BY_NAME: Readonly<Record<string, string>> = {
  lengths: '64,64',
  times: '1000,10',
  mac: '02:00:00:00:00:05',
  size: '800',
  queue: '0',
};

/** Lines of a form, one for each word that its tokens offer. */
function lines(pattern: string): string[] {
  const tokens = compile(pattern);
  const most = Math.max(...tokens.map(({ words }) => words.length), 1);
  return Array.from({ length: most }, (_, i) =>
    tokens
      .map(({ words, kind, name }) =>
        kind ? (BY_NAME[name] ?? BY_KIND[kind.type]) : words[i % words.length],
      )
      .join(' '),
  );
}

let session: Session | undefined;
let printed = 0;
afterEach(async () => {
  if (!session?.quitting) await session?.quit();
});

async function open(): Promise<Session> {
  const count = () => {
    printed++;
  };
  const opened = new Session(
    { ...defaultSettings(), hugepages: false },
    { main: { id: 0, cpus: [cpu] }, forwarding: [{ id: 1, cpus: [cpu] }] },
    {
      print: count,
      complain: count,
      event: count,
      room: async () => {},
    },
  );
  await opened.init(['net_null0', 'net_null1']);
  session = opened;
  return opened;
}

/** What commands change, as far as it is to be seen. */
function state({ settings, ports, forwarding, quitting }: Session): string {
  const seen = ports.open.map((port) => [port.id, port.started, port.config, port.info.mtu, inspect(port)]);
  return inspect([settings, inspect(ports, { depth: 4 }), seen, forwarding.running, quitting], { depth: 8 });
}

async function hasEffect(command: Command<Session>): Promise<boolean> {
  for (const line of lines(command.pattern)) {
    const on = await open();
    let loaded = false;
    on.onLoad = () => {
      loaded = true;
    };
    const [before, linesBefore] = [state(on), printed];
    const found = match(works, line);
    if (found.kind !== 'found') throw new Error(`${line}: ${found.message}`);
    try {
      await found.command.run(on, found.args);
    } catch {
      return true; // It is printed by the prompt.
    }
    const effect = loaded || printed > linesBefore || state(on) !== before;
    if (!on.quitting) await on.quit();
    if (effect) return true;
  }
  return false;
}

/** Clear counters, which are 0 here: session.test.ts and streams of lcores have others. */
const CLEARING = ['clear fwd stats all'];
/** What they change is not seen from here: commands/soft.test.ts holds their effects. */
const SOFT =
  /^(set (promisc|allmulti|link-up|link-down)|mac_addr|mcast_addr|(tx_)?vlan|port (config )?id=<id> what=rxq|flow) ?/;

describe('commands that are not refused', () => {
  const rows = works.filter(({ pattern }) => !CLEARING.includes(pattern) && !SOFT.test(pattern));
  it.each(rows.map((command) => [command.pattern, command] as const))('%s', async (_, command) => {
    expect(await hasEffect(command)).toBe(true);
  });
});

const VALUES = [
  '2',
  '1',
  '0',
  '0x4',
  'on',
  'mac',
  '0,02:00:00:00:00:05',
  '10.0.0.1,10.0.0.2',
  '0-1',
  'x',
  'loop',
  '2048',
  '0000:00:04.0',
];

/** Whether some value changes a setting; a value that is refused changes none. */
function changes<T>(row: OptionRow<T>, fresh: () => T): boolean {
  const unchanged = inspect(fresh(), { depth: 8 });
  return (row.arg === undefined ? [''] : VALUES).some((value) => {
    const target = fresh();
    try {
      row.apply?.(target, value, row.long?.[0] ?? '');
    } catch {
      return false;
    }
    return inspect(target, { depth: 8 }) !== unchanged;
  });
}

/** Options whose value is checked and otherwise as it is, or read from a file. */
const CHECKED = ['num-procs', 'proc-id', 'rxd', 'txd', 'eth-peers-configfile', 'proc-type', 'disable-rss'];

describe('options', () => {
  it.each(testpmdOptions.map((row) => [row.long?.[0] ?? '', row] as const))('--%s', (name, row) => {
    expect(row.help ?? row.why, 'text').toBeTruthy();
    if (row.help !== undefined && !CHECKED.includes(name)) expect(changes(row, defaultSettings)).toBe(true);
  });

  it.each(ealOptions.map((row) => [row.long?.[0] ?? row.short ?? '', row] as const))(
    'EAL --%s',
    (name, row) => {
      expect(row.help ?? row.why, 'text').toBeTruthy();
      if (row.help !== undefined && !CHECKED.includes(name))
        expect(changes(row, defaultEalSettings)).toBe(true);
    },
  );
});
