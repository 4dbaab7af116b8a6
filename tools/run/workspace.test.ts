// SPDX-License-Identifier: BSD-3-Clause
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Workspace } from './workspace.ts';

it('regression: a process may have any number of folders, one after another, without listeners that stay', () => {
  const before = process.listenerCount('exit');
  for (let i = 0; i < 20; i++) {
    const workspace = new Workspace();
    expect(existsSync(workspace.folder)).toBe(true);
    workspace.remove();
    expect(existsSync(workspace.folder)).toBe(false);
  }
  expect(process.listenerCount('exit')).toBe(before);
});
