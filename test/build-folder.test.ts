// SPDX-License-Identifier: BSD-3-Clause
// binding.gyp in folders whose names make and shells treat specially, with an addon of one file.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ROOT } from './support/program.ts';

const ADDON = `#include <napi.h>
int Unused(int argument) { return 0; }
Napi::Object Init(Napi::Env, Napi::Object exports) { return exports; }
NODE_API_MODULE(vhost_pci, Init)
`;
let parent = '';

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'folder-'));
});
afterEach(() => rmSync(parent, { recursive: true }));

/** Runs node-gyp, which npm puts on the PATH of scripts. */
function build(name: string, werror: boolean) {
  const folder = join(parent, name);
  mkdirSync(join(folder, 'addon'), { recursive: true });
  copyFileSync(join(ROOT, 'binding.gyp'), join(folder, 'binding.gyp'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "scripts": { "addon": "node-gyp rebuild" } }');
  writeFileSync(join(folder, 'addon/module.cc'), ADDON);
  const env = { ...process.env, GYP_DEFINES: werror ? 'werror=1' : '' };
  const { stdout, stderr, status } = spawnSync('npm', ['run', 'addon'], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
  const built = existsSync(join(folder, 'build/Release/vhost_pci.node'));
  return { text: `${stdout}${stderr}`, status, built };
}

it('regression: the addon builds in a folder with spaces and quotes, and a warning does not stop it', () => {
  const { text, status, built } = build(`it's a "box"`, false);
  expect(text).toContain('unused parameter');
  expect([status, built]).toEqual([0, true]);
});

it('a warning of the compiler is an error where CI asks for it', () => {
  const { text, status, built } = build('ci', true);
  expect(text).toContain('unused parameter');
  expect([status === 0, built]).toEqual([false, false]);
});
