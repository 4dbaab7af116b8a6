// SPDX-License-Identifier: BSD-3-Clause
// The images of the rig, built from the recipe: the host's programs, the guests' kernel and root, and the
// first stage that starts them. Each is built once and cached.
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from '../../src/package-root.ts';
import type { Cache } from './cache.ts';
import { DebianArchive, debianMirror } from './debian.ts';
import { buildGuest, GUEST_FORMAT } from './guest-image.ts';
import { busyboxOf, pack } from './host-programs.ts';
import { listing } from './listing.ts';
import * as recipe from './recipe.ts';

export interface Images {
  /** Identifies this build. */
  readonly id: string;
  /** The root of the host's programs; see host-programs.ts. */
  readonly host: string;
  /** Folders in which QEMU finds its firmware. */
  readonly firmware: readonly string[];
  readonly kernel: string;
  readonly initramfs: string;
  /** squashfs */
  readonly root: string;
}

/** Finds or builds the images; building takes a minute or two and needs the Debian mirror. */
export async function prepareImages(cache: Cache, say: (line: string) => void): Promise<Images> {
  const packages = async (draft: string, what: string) => {
    say(`Unpacking ${what} from Debian packages into ${cache.folder}, which takes up to a minute`);
    return DebianArchive.open(join(draft, 'apt'), await debianMirror());
  };
  const { suites, HOST_PACKAGES } = recipe;
  const hostEntry = await cache.entry('host', [suites, HOST_PACKAGES], async (draft) => {
    const archive = await packages(draft, 'QEMU');
    await archive.unpack(HOST_PACKAGES, join(draft, 'root'));
    archive.remove();
  });
  const host = join(hostEntry, 'root');
  const guest = await cache.entry('guest', [GUEST_FORMAT, recipe], async (draft) =>
    buildGuest(draft, host, await packages(draft, "the guests' system")),
  );
  const stage = await cache.entry('initramfs', [basename(guest), listing(guestFiles())], (draft) =>
    buildInitramfs(draft, host, guest),
  );
  return {
    id: [hostEntry, guest, stage].map((path) => basename(path)).join(' '),
    host,
    firmware: ['qemu', 'seabios'].map((name) => join(host, 'usr/share', name)),
    kernel: join(guest, 'vmlinuz'),
    initramfs: join(stage, 'initramfs'),
    root: join(guest, 'root.squashfs'),
  };
}

/** The first stage: busybox, the modules that reach the root image, and the files that go over that image. */
async function buildInitramfs(folder: string, host: string, guest: string): Promise<void> {
  const root = join(folder, 'tree');
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync(busyboxOf(host), join(root, 'bin/busybox'));
  cpSync(join(guest, 'boot-modules'), join(root, 'modules'), { recursive: true });
  cpSync(join(guestFiles(), 'over'), join(root, 'over'), { recursive: true });
  copyFileSync(join(guestFiles(), 'init'), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
  await pack(host, root, join(folder, 'initramfs'));
  rmSync(root, { recursive: true });
}

const guestFiles = () => join(packageRoot(), 'tools/vm/guest');
