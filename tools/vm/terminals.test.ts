// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { consoleCommand, logsOf, TMUX_KEYS, tmuxWords } from './terminals.ts';

const machine = (name: string) => ({ paths: { console: `/run/${name}.con` } });

it("a console's command ends with its socket", () => {
  expect(consoleCommand(machine('vm1')).at(-1)).toBe('/run/vm1.con');
});

it('regression: each tmux pane shows how to change to the other one', () => {
  const panes = tmuxWords([
    { machine: machine('vm1'), hint: ["VM1's"] },
    { machine: machine('vm2'), hint: ["VM2's"] },
  ]).filter((word) => word.includes('.con'));
  expect(panes.map((pane) => [/vm\d\.con/.exec(pane)?.[0], pane.includes(TMUX_KEYS)])).toEqual([
    ['vm1.con', true],
    ['vm2.con', true],
  ]);
  expect(TMUX_KEYS).toContain('Ctrl-b o');
});

it.each(['SIGINT', 'SIGTERM'])('regression: %s does not keep the place of the logs a secret', (signal) => {
  const program = `
    import { exitOnSignals } from ${JSON.stringify(new URL('../run/workspace.ts', import.meta.url).href)};
    import { logsOf, sayAtExit } from ${JSON.stringify(new URL('./terminals.ts', import.meta.url).href)};
    exitOnSignals();
    sayAtExit(logsOf('/somewhere'));
    setInterval(() => {}, 1000);
    process.kill(process.pid, '${signal}');`;
  const { stdout } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program],
    { encoding: 'utf8' },
  );
  expect(stdout).toBe(`${logsOf('/somewhere')}\n`);
});
