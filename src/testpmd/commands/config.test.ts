// SPDX-License-Identifier: BSD-3-Clause
// Commands about the configuration of forwarding, in the words that dpdk-testpmd 22.11 was seen to answer.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../session.ts';
import { defaultSettings, type Settings } from '../settings.ts';
import { match } from './grammar.ts';
import { commands } from './table.ts';

let settings: Settings;
let fake: Session;
let printed: string[] = [];

beforeEach(() => {
  settings = defaultSettings();
  const keep = (line: string) => printed.push(line);
  fake = {
    settings,
    output: { print: keep, complain: keep },
    forwarding: { running: false },
    lcores: { main: { id: 0, cpus: [0] }, forwarding: [1, 2].map((id) => ({ id, cpus: [0] })) },
  } as unknown as Session;
});

async function type(line: string): Promise<string> {
  printed = [];
  const found = match(commands, line);
  if (found.kind === 'refused') return found.message;
  await found.command.run(fake, found.args);
  return printed.join('\n');
}

const MAIN =
  'lcore 0 cannot be masked on for running packet forwarding, which is the main lcore and reserved for command line parsing only';

describe('the forwarding lcores', () => {
  it.each([
    ['set corelist 0', MAIN],
    ['set corelist 1', ''],
    ['set corelist 1,0', MAIN],
    ['set corelist 9', 'lcore 9 not enabled'],
    ['set corelist 2,1,1', 'duplicated core 1 at index 1 and 2'],
    ['set corelist 2,1', 'previous number of forwarding cores 1 - changed to number of configured cores 2'],
    ['set coremask 0x1', MAIN],
    ['set coremask 0x4', ''],
    ['set coremask 0', 'Invalid NULL mask of cores'],
    ['set coremask zz', 'Bad arguments'],
  ])('regression: %s says: %s', async (line, answer) => {
    expect(await type(line)).toBe(answer);
  });

  it('regression: are at most those of the list', async () => {
    await type('set corelist 2');
    expect([settings.coreList, settings.nbCores]).toEqual([[2], 1]);
    expect(await type('set nbcore 2')).toBe(
      'nb fwd cores 2 > 1 (max. number of configured lcores) - ignored',
    );
    await type('set corelist 1,2');
    expect(await type('set nbcore 1')).toBe('Number of forwarding cores set to 1');
    expect(await type('set corelist 1,1,9')).toBe('duplicated core 1 at index 0 and 1');
    expect(settings.coreList).toEqual([1, 2]);
  });
});

it('regression: settings that change nothing here say so', async () => {
  expect(await type('set flush_rx on')).toBe(
    'Note: flush_rx has no effect: queues are not flushed before forwarding',
  );
  expect(await type('set log global 8')).toBe('Note: log levels have no effect: messages have no levels');
});
