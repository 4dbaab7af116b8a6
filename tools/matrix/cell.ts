// SPDX-License-Identifier: BSD-3-Clause
// One cell of the matrix: the tarball in a new project, in a folder with spaces and a quote, with one package
// manager and one Node.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Manager } from './managers.ts';

export interface Cell {
  readonly manager: Manager;
  /** The manager's program. */
  readonly program: string;
  /** Node's binary. */
  readonly node: string;
  readonly scripts: boolean;
  readonly tarball: string;
  readonly seconds: number;
  /** Where the project is made. */
  readonly folder: string;
  readonly log: (text: string) => void;
}

/** 'ok' or what failed, and the seconds that the installation took. */
export interface Result {
  readonly verdict: string;
  readonly install: number;
}

const TIMEOUT_MS = 600_000;
const FOLDER = "it's my app";
const APPLICATION = `import { openPort } from 'vhost-pci-pmd';
const port = openPort('net_null0');
console.log(port.info.driver);
port.close();
`;

/** Installs, and tries the program, the import and the traffic; nothing may be compiled. Leaves nothing. */
export function runCell(cell: Cell): Result {
  const project = join(cell.folder, FOLDER);
  mkdirSync(project, { recursive: true });
  try {
    return tryCell(cell, project);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

function tryCell(cell: Cell, project: string): Result {
  const { manager, program, node, scripts, tarball, seconds, log } = cell;
  // A package manager of another project's folder must not hear of this one, nor of the npm that runs us.
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const env = { ...Object.fromEntries(inherited), PATH: [dirname(node), process.env.PATH].join(delimiter) };
  const run = (command: string, ...args: readonly string[]) => {
    const options = { cwd: project, env, encoding: 'utf8', timeout: TIMEOUT_MS } as const;
    const { stdout, stderr, status, error } = spawnSync(command, args, options);
    const ok = status === 0;
    if (!ok) log([`${command} ${args.join(' ')}: ${error?.message ?? status}`, stdout, stderr].join('\n'));
    return { ok, stdout, text: `${stdout}${stderr}` };
  };
  const files = {
    'package.json': '{ "name": "my-app", "private": true, "type": "module" }',
    'app.js': APPLICATION,
    ...manager.files(scripts),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);

  const before = performance.now();
  const installed = run(node, program, ...manager.install(tarball, scripts));
  const install = (performance.now() - before) / 1000;
  if (!installed.ok) {
    const unsupported = /(does not support|requires at least) Node\.js/i.test(installed.text);
    return { verdict: unsupported ? 'unsupported' : 'install', install };
  }
  const steps: readonly [string, () => boolean][] = [
    ['compiled', () => compiled(join(project, 'node_modules')).length === 0],
    [
      '--version',
      () =>
        /^vhost-pci-testpmd \d/m.test(
          run(node, program, ...manager.exec, 'vhost-pci-testpmd', '--version').stdout,
        ),
    ],
    ['import', () => run(node, 'app.js').stdout === 'net_null\n'],
    [
      'traffic',
      () => run(node, 'node_modules/vhost-pci-pmd/dist/tools/start/main.js', `--duration=${seconds}`).ok,
    ],
  ];
  const failed = steps.find(([, works]) => !works());
  return { verdict: failed?.[0] ?? 'ok', install };
}

/** What node-gyp made. */
const compiled = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).filter((path) => /\/build\/.*\.node$/.test(path));
