// SPDX-License-Identifier: BSD-3-Clause
// `npm run vm` as a user runs it: in a terminal, with a console of each machine in another, typing what the
// README says.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Child } from '../../tools/run/child.ts';
import { FUNCTION_ADDRESS } from '../../tools/vm/qemu.ts';
import { describeRig, START_MS } from './rig.test-help.ts';

const READY_MS = 400_000;
const MAX_RUN_MS = 900_000;
const INTERRUPT = '\x03';
const AT_SHELL = /vm[12]:\S*# $/;

const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const [overview = '', inVm1 = '', inVm2 = ''] = codeBlocks(text('README.md'), '## Real virtual machines');
const [devbind = '', testpmd = ''] = inVm1.split('\n');
const [address = '', ping = ''] = inVm2.split('\n');

describeRig('npm run vm', () => {
  let terminal: Child;
  let consoles: Record<'vm1' | 'vm2', Child>;
  let folder: string;

  const open = (name: string, command: readonly string[]) =>
    new Child({ name, command, maxRunMs: MAX_RUN_MS });

  beforeAll(async () => {
    // A separate terminal: Ctrl-C is a key there, and closing it ends everything that runs in it.
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const command = `cd '${root}' && npm run vm -- --no-tmux`;
    terminal = open('npm run vm', ['script', '--quiet', '--return', '--command', command, '/dev/null']);
    const printed = await terminal.waitFor(/^ {2}(\S.*vm1\.con)\r\n {2}(\S.*vm2\.con)\r\n/m, READY_MS);
    const [, first = '', second = ''] = printed;
    consoles = { vm1: open('vm1', ['sh', '-c', first]), vm2: open('vm2', ['sh', '-c', second]) };
    folder = dirname(first.split(' ').at(-1) ?? '');
    await consoles.vm1.waitFor(AT_SHELL, START_MS);
    await consoles.vm2.waitFor(AT_SHELL, START_MS);
  });

  afterAll(async () => {
    terminal?.write(INTERRUPT);
    for (const child of [...Object.values(consoles ?? {}), terminal]) await child?.stop();
  });

  /** Types a line; returns the console's output from then until `end`. */
  async function type(console: Child, line: string, end: RegExp): Promise<string> {
    const from = console.printed;
    console.write(line);
    await console.waitFor(end, START_MS, from);
    return console.output.slice(from);
  }

  it('prints the commands in README.md and docs/vm-rig.md', () => {
    expect(overview).toMatch(/^npm run vm +#/m);
    for (const line of [testpmd, address, ping]) {
      expect(terminal.output).toContain(`\r\n  ${line}\r\n`);
      expect(text('docs/vm-rig.md')).toContain(`\n${line}\n`);
    }
  });

  it('has the function bound in VM1', async () => {
    await type(consoles.vm1, devbind, new RegExp(`${FUNCTION_ADDRESS} '.*' drv=vfio-pci unused=`));
  });

  it("answers VM2's pings with the PMD in VM1", async () => {
    await type(consoles.vm1, testpmd, /link state change event[\s\S]*testpmd> /);
    consoles.vm2.write(address);
    const statistics = /packets transmitted[^\n]*\n/;
    expect(await type(consoles.vm2, ping, statistics)).toContain(
      '3 packets transmitted, 3 received, 0% packet loss',
    );
    await type(consoles.vm1, 'quit', /Bye\.\.\.\s[\s\S]*vm1:\S*# $/);
  });

  it('ends both machines on Ctrl-C and leaves nothing behind', async () => {
    terminal.write(INTERRUPT);
    expect(await terminal.ended(START_MS)).toBe(true);
    expect(terminal.exit).toBe(130);
    for (const console of Object.values(consoles)) expect(await console.ended(START_MS)).toBe(true);
    await expect.poll(() => commandsWith(folder), { timeout: START_MS }).toEqual([]);
  });
});

/** The code blocks of a Markdown section, without comment lines. */
function codeBlocks(markdown: string, heading: string): string[] {
  const section = markdown.slice(markdown.indexOf(`${heading}\n`)).split(/\n## /)[0] ?? '';
  return [...section.matchAll(/```\w*\n([\s\S]*?)\n```/g)].map(([, block = '']) => block);
}

/** Command lines of processes that contain a text. */
function commandsWith(what: string): string[] {
  const commandLine = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return ''; // It has exited.
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((line) => line.includes(what));
}
