// SPDX-License-Identifier: BSD-3-Clause
// npm run matrix: installs the packed tarball with every package manager and every Node that we support, with
// install scripts and without, and prints one table. Needs the registry, dist/ and the prebuilt addons.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { PmdError } from '../../src/errors.ts';
import { packageRoot } from '../../src/package-root.ts';
import { exitProcess } from '../../src/process-end.ts';
import { seconds } from '../run/arguments.ts';
import { newCommand } from '../run/command.ts';
import { exitOnSignals, Workspace } from '../run/workspace.ts';
import { runCell } from './cell.ts';
import { MANAGERS, NODES } from './managers.ts';

const options = newCommand('npm run matrix', 'npm run matrix --')
  .option('--managers <pattern>', 'only those whose name matches', '')
  .option('--nodes <pattern>', 'only those whose name matches', '')
  .option('--seconds <n>', 'of traffic in each cell', seconds(), 10)
  .parse()
  .opts();

const { folder } = new Workspace();
exitOnSignals();

function npm(cwd: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync('npm', args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new PmdError('VPCI_CHILD', `npm ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

function pack(): string {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(npm(packageRoot(), ...args)) as [{ filename: string }];
  return join(folder, filename);
}

/** Installs a package in a folder of its own, and returns its folder. */
function tool(spec: string): string {
  const home = join(folder, 'tools', spec.replaceAll('/', '+'));
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{ "private": true }');
  npm(home, 'install', '--no-audit', '--no-fund', '--ignore-scripts', spec);
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return join(home, 'node_modules', Object.keys(dependencies)[0] ?? '');
}

const managers = MANAGERS.filter(({ name }) => name.match(options.managers));
const nodes = Object.entries(NODES).filter(([name]) => name.match(options.nodes));
try {
  const tarball = pack();
  const binaries = nodes.map(([, spec]) => join(tool(spec), 'bin/node'));
  const table = new Table({ head: ['', 'scripts', ...nodes.map(([name]) => name)] });
  for (const manager of managers) {
    const program = join(tool(manager.spec), manager.entry);
    for (const scripts of [true, false]) {
      const cells = binaries.map((node) => {
        const log = (text: string) => console.error(`${manager.name}, ${node}: ${text}`);
        const { verdict, install } = runCell({
          ...{ manager, program, node, scripts, tarball, folder, log, seconds: options.seconds },
        });
        if (verdict !== 'ok' && verdict !== 'unsupported') process.exitCode = 1;
        return verdict === 'unsupported' ? verdict : `${verdict} (${install.toFixed(0)} s)`;
      });
      table.push([manager.name, scripts ? 'yes' : 'no', ...cells]);
      console.error(`${manager.name}, scripts ${scripts ? 'on' : 'off'}: ${cells.join(', ')}`);
    }
  }
  console.log(table.toString());
  exitProcess();
} catch (error) {
  console.error(`matrix: ${(error as Error).message}`);
  exitProcess(1);
}
