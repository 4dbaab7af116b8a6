// SPDX-License-Identifier: BSD-3-Clause
// The machines that prebuilt addons are made for.

/** The oldest glibc that a prebuilt addon runs with: Debian 10, RHEL 8, Ubuntu 18.10. */
export const OLDEST_GLIBC = '2.28';

export interface Target {
  /** Node's process.arch. */
  readonly arch: 'x64' | 'arm64';
  readonly libc: 'glibc' | 'musl';
}

export const TARGETS: readonly Target[] = [
  { arch: 'x64', libc: 'glibc' },
  { arch: 'arm64', libc: 'glibc' },
  { arch: 'x64', libc: 'musl' },
  { arch: 'arm64', libc: 'musl' },
];

const CPUS = { x64: 'x86_64', arm64: 'aarch64' } as const;

/** The name of a target for Zig. */
export const zigTarget = ({ arch, libc }: Target): string =>
  `${CPUS[arch]}-linux-${libc === 'musl' ? 'musl' : `gnu.${OLDEST_GLIBC}`}`;

/** Where node-gyp-build looks for it, below the package's folder. */
export const prebuiltFile = ({ arch, libc }: Target): string =>
  `prebuilds/linux-${arch}/vhost-pci-pmd.${libc}.node`;
