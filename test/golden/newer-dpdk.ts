// SPDX-License-Identifier: BSD-3-Clause
// dpdk-testpmd 24.11, of the Debian release that the rig's guests have: unpacked into the cache of the rig
// and run in place, with that release's own loader and libraries. Nothing is installed.
import { join } from 'node:path';
import { Cache, cacheFolder } from '../../tools/vm/cache.ts';
import { DebianArchive, debianMirror, noDebianReason } from '../../tools/vm/debian.ts';
import { hostProgram } from '../../tools/vm/host-programs.ts';
import { suites } from '../../tools/vm/recipe.ts';

/** The version of DPDK's ABI in the names of its packages and libraries. */
const ABI = 25;
/** What testpmd is not linked with, and loads. */
const DRIVERS = [
  ...['bus-vdev', 'mempool-ring'],
  ...['net-null', 'net-tap', 'net-pcap', 'net-vhost', 'net-virtio'],
];
/** base-files has the links of the merged /usr. */
const PACKAGES = ['base-files', 'dpdk', 'dpdk-dev', ...DRIVERS.map((driver) => `librte-${driver}${ABI}`)];
/** Dependencies that testpmd runs without: headers, scripts and services, most of the download. */
const UNUSED = [
  ...[
    'libdpdk-dev',
    'python3',
    'perl-base',
    'libc-bin',
    'dpkg',
    'debconf',
    'tzdata',
    'openssl-provider-legacy',
  ],
  ...['systemd', 'udev', 'adduser', 'base-passwd', 'rdma-core', 'mawk', 'sse4.2-support'],
  ...['pci.ids', 'pciutils', 'procps'],
];

/**
 * The start of its command line. A string is the reason why it cannot be had, such as no network; in CI that
 * throws.
 */
export function newerTestpmd(env = process.env): Promise<readonly string[] | string> {
  return fromRoot(env, (root) => {
    const libraries = DRIVERS.map((driver) => `librte_${driver.replace('-', '_')}.so.${ABI}`);
    return [...hostProgram(root, 'dpdk-testpmd'), ...libraries.flatMap((library) => ['-d', library])];
  });
}

/** The same of dpdk-telemetry.py, run by this machine's Python. */
export const newerTelemetry = (env = process.env): Promise<readonly string[] | string> =>
  fromRoot(env, (root) => ['python3', join(root, 'usr/bin/dpdk-telemetry.py')]);

async function fromRoot(
  env: NodeJS.ProcessEnv,
  command: (root: string) => readonly string[],
): Promise<readonly string[] | string> {
  try {
    const absent = noDebianReason();
    if (absent) throw new Error(absent);
    const cache = new Cache(cacheFolder(env));
    const inputs = [suites, PACKAGES, UNUSED];
    return command(join(await cache.entry('dpdk', inputs, (draft) => unpack(draft, env)), 'root'));
  } catch (error) {
    if (env.CI === 'true') throw error;
    return (error as Error).message;
  }
}

async function unpack(draft: string, env: NodeJS.ProcessEnv): Promise<void> {
  const archive = await DebianArchive.open(join(draft, 'apt'), await debianMirror(env));
  archive.assume(UNUSED);
  await archive.unpack(PACKAGES, join(draft, 'root'));
  archive.remove();
}
