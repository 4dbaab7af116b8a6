// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OWNER_FILE } from './owned-folder.ts';
import { Workspace } from './workspace.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'owned-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** What a new process does at its start with what it finds in `parent`. */
async function startAnother(): Promise<{ folder: string; kill(signal: NodeJS.Signals): Promise<void> }> {
  const workspace = JSON.stringify(new URL('./workspace.ts', import.meta.url).href);
  const program = `
    import { Workspace } from ${workspace};
    console.log(new Workspace(${JSON.stringify(parent)}).folder);
    setInterval(() => {}, 1000);`;
  const words = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await once(child, 'close');
  };
  return { folder: line.trim(), kill };
}

/** A folder whose owner is dead. */
function abandoned(name = 'vpci-abcdef'): string {
  const folder = join(parent, name);
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(folder, OWNER_FILE), '');
  writeFileSync(join(folder, 'a.sock'), '');
  return folder;
}

const sweptBy = (make: () => string): boolean => {
  const folder = make();
  new Workspace(parent).remove();
  return !existsSync(folder);
};

it('regression: the folder of a process that was killed goes at the next start', async () => {
  const first = await startAnother();
  await first.kill('SIGKILL');
  expect(existsSync(first.folder)).toBe(true);
  const second = await startAnother();
  expect(existsSync(first.folder)).toBe(false);
  await second.kill('SIGKILL');
});

it('is removed once, and the descriptor is not closed twice', () => {
  const first = new Workspace(parent);
  first.remove();
  const second = new Workspace(parent);
  first.remove();
  second.remove();
  expect(readdirSync(parent)).toEqual([]);
});

it('the folder of a process that lives stays', async () => {
  const first = await startAnother();
  const second = await startAnother();
  expect(existsSync(first.folder) && existsSync(second.folder)).toBe(true);
  for (const one of [first, second]) await one.kill('SIGKILL');
});

it('what an abandoned folder links to stays', () => {
  const other = join(parent, 'precious');
  mkdirSync(other);
  writeFileSync(join(other, 'file'), '');
  const made = () => {
    const folder = abandoned();
    symlinkSync(other, join(folder, 'link'));
    return folder;
  };
  expect(sweptBy(made)).toBe(true);
  expect(readdirSync(other)).toEqual(['file']);
});

it.each<[string, () => string]>([
  ['has no file of an owner, or not yet', () => mkdtempSync(join(parent, 'vpci-'))],
  ['has another name', () => abandoned('vpci-telemetry-abcdef')],
  [
    'others may enter',
    () => {
      const folder = abandoned();
      chmodSync(folder, 0o755);
      return folder;
    },
  ],
  [
    'is a link',
    () => {
      symlinkSync(abandoned('elsewhere'), join(parent, 'vpci-abcdef'));
      return join(parent, 'vpci-abcdef');
    },
  ],
  [
    'has a link in the place of the file',
    () => {
      const folder = join(parent, 'vpci-abcdef');
      mkdirSync(folder, { mode: 0o700 });
      symlinkSync(join(abandoned('elsewhere'), OWNER_FILE), join(folder, OWNER_FILE));
      return folder;
    },
  ],
  [
    'has a file that is somewhere else as well',
    () => {
      const folder = abandoned();
      linkSync(join(folder, OWNER_FILE), join(parent, 'file'));
      return folder;
    },
  ],
  [
    'is where anybody may exchange it',
    () => {
      chmodSync(parent, 0o777);
      return abandoned();
    },
  ],
])('a folder stays that %s', (_, make) => {
  expect(sweptBy(make)).toBe(false);
});

it.skipIf(process.getuid?.() !== 0)("another user's folder stays", () => {
  const made = () => {
    const folder = abandoned();
    chownSync(folder, 12_345, 12_345);
    return folder;
  };
  expect(sweptBy(made)).toBe(false);
});

it('a start removes a bounded number of folders, and the next one more', async () => {
  const count = () => readdirSync(parent).filter((name) => name.startsWith('vpci-aa')).length;
  for (let i = 1000; i < 1100; i++) abandoned(`vpci-aa${i}`);
  const seen: number[] = [];
  while (count() > 0 && seen.length < 20) {
    const { kill } = await startAnother();
    seen.push(count());
    await kill('SIGTERM');
  }
  expect(seen[0]).toBeGreaterThanOrEqual(100 - 64);
  expect(seen.at(-1)).toBe(0);
});
