// SPDX-License-Identifier: BSD-3-Clause
// Debian packages in a folder: apt resolves and downloads with its own state, and the packages are unpacked
// without running their scripts. Neither root nor a chroot is needed, and the machine's own packages are not
// touched.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { findProgram } from '../run/programs.ts';
import { runToEnd } from './command.ts';
import { suites } from './recipe.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const UPDATE_MS = 120_000;
const DOWNLOAD_MS = 600_000;
const UNPACK_MS = 120_000;

/** Why packages are not available on this machine; undefined when they are. */
export function noDebianReason(): string | undefined {
  const missing = ['apt-get', 'dpkg-deb'].find((name) => findProgram(name) === undefined);
  if (missing) return `${missing} is not installed; the rig is built from Debian packages`;
  return process.arch === 'x64'
    ? undefined
    : `the rig's guests are x86-64, but this machine is ${process.arch}`;
}

/** The Debian mirror of this machine's own apt; VPCI_RIG_MIRROR overrides it. */
export async function debianMirror(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (env.VPCI_RIG_MIRROR) return env.VPCI_RIG_MIRROR;
  const format = '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)';
  const command = ['apt-get', 'indextargets', '--format', format, 'Created-By: Packages'];
  const mirror = mirrorOf(await runToEnd('apt-get', command, UPDATE_MS));
  if (mirror) return mirror;
  throw new PmdError(
    'VPCI_NO_MIRROR',
    "apt has no Debian archive: run 'apt-get update', or set VPCI_RIG_MIRROR to a mirror",
  );
}

/** The first archive of Debian itself in the output of apt-get indextargets. */
export function mirrorOf(targets: string): string | undefined {
  const rows = targets.split('\n').map((line) => line.split('|'));
  return rows.find(
    ([origin, label, component]) => origin === label && label === 'Debian' && component === 'main',
  )?.[3];
}

export class DebianArchive {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;

  /** Reads the archive's package lists. `folder` holds apt's state and the downloaded packages. */
  static async open(folder: string, mirror: string): Promise<DebianArchive> {
    const archive = new DebianArchive(folder, mirror);
    await runToEnd('apt-get update', ['apt-get', 'update', '-q'], UPDATE_MS, archive.#env);
    return archive;
  }

  private constructor(folder: string, mirror: string) {
    this.#folder = folder;
    this.#env = { APT_CONFIG: join(folder, 'apt.conf'), LC_ALL: 'C' };
    for (const path of ['state/lists/partial', 'archives/partial', 'parts']) {
      mkdirSync(join(folder, path), { recursive: true });
    }
    writeFileSync(join(folder, 'state/status'), '');
    writeFileSync(join(folder, 'sources.list'), sourcesList(mirror));
    writeFileSync(join(folder, 'preferences'), preferences());
    writeFileSync(join(folder, 'apt.conf'), aptConf(folder));
  }

  /** Takes packages for installed from now on: neither they nor what only they need is downloaded. */
  assume(packages: readonly string[]): void {
    const state = 'Status: install ok installed\nVersion: 999\nArchitecture: amd64\nMulti-Arch: allowed\n';
    const entries = packages.map((name) => `Package: ${name}\n${state}\n`);
    writeFileSync(join(this.#folder, 'state/status'), entries.join(''));
  }

  /**
   * Unpacks `packages` and all their dependencies into `root`, except those whose name matches one of
   * `unwanted`.
   */
  async unpack(packages: readonly string[], root: string, unwanted: readonly string[] = []): Promise<void> {
    const archives = join(this.#folder, 'archives');
    const install = ['apt-get', 'install', '-q', '-y', '--download-only', '--no-install-recommends'];
    await runToEnd('apt-get install', [...install, ...packages], DOWNLOAD_MS, this.#env);
    mkdirSync(root, { recursive: true });
    const skipped = unwanted.map((pattern) => new RegExp(pattern));
    const wanted = (file: string) => !skipped.some((pattern) => pattern.test(file.split('_')[0] ?? ''));
    const files = readdirSync(archives).filter((file) => file.endsWith('.deb') && wanted(file));
    // The links /bin, /lib and /sbin of the merged /usr must exist before other packages put files below
    // them.
    const first = (name: string) => (name.startsWith('base-files_') ? 0 : 1);
    for (const file of files.sort((a, b) => first(a) - first(b))) {
      await runToEnd('dpkg-deb', ['dpkg-deb', '--extract', join(archives, file), root], UNPACK_MS);
    }
  }

  /** Removes apt's state and the packages. */
  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

function sourcesList(mirror: string): string {
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  return [suites.main, suites.backports].map((suite) => `deb ${signed}${mirror} ${suite} main\n`).join('');
}

function preferences(): string {
  const sources = suites.backportedSources.map((name) => `src:${name}`).join(' ');
  return `Package: ${sources}\nPin: release n=${suites.backports}\nPin-Priority: 990\n`;
}

/** The machine's own configuration (proxies, for example) is read as well; these entries follow it. */
function aptConf(folder: string): string {
  const entries = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'state/status'),
    'Dir::Cache': folder,
    'Dir::Cache::archives': join(folder, 'archives'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': join(folder, 'parts'),
    'Dir::Etc::preferences': join(folder, 'preferences'),
    'Dir::Etc::preferencesparts': join(folder, 'parts'),
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  };
  return Object.entries(entries)
    .map(([name, value]) => `${name} "${value}";\n`)
    .join('');
}
