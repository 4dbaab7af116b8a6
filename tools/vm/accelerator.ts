// SPDX-License-Identifier: BSD-3-Clause
// Decides whether KVM can be used by booting the guests' kernel with it: /dev/kvm may exist and still not run
// a guest.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { Child } from '../run/child.ts';
import { type Cache, hashOf } from './cache.ts';
import type { Images } from './images.ts';
import { type Accelerator, probeCommand } from './qemu.ts';

const PROBE_MS = 20_000;
const RUNS = /rig: this machine runs/;

export interface Choice {
  readonly accelerator: Accelerator;
  /** The reason, for the user. */
  readonly reason: string;
}

/** KVM if a guest boots with it, else TCG; VPCI_RIG_ACCEL=kvm|tcg decides without a probe. */
export async function chooseAccelerator(
  cache: Cache,
  images: Images,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Choice> {
  const wanted = env.VPCI_RIG_ACCEL;
  if (wanted === 'kvm' || wanted === 'tcg') return { accelerator: wanted, reason: 'set by VPCI_RIG_ACCEL' };
  if (wanted) throw new PmdError('VPCI_RIG', `VPCI_RIG_ACCEL=${wanted}: expected kvm or tcg`);
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { accelerator: 'tcg', reason: '/dev/kvm is missing, or this user may not use it' };
  }
  return probed(cache, images);
}

/** Caches the probe's result until this machine reboots. */
async function probed(cache: Cache, images: Images): Promise<Choice> {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const folder = join(cache.folder, 'probe');
  const file = join(folder, hashOf([images.host, images.kernel, boot]));
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) writeFileSync(file, (await boots(images, `${file}.${process.pid}`)) ? 'kvm' : 'tcg');
  return readFileSync(file, 'utf8') === 'kvm'
    ? { accelerator: 'kvm', reason: 'a guest boots with it' }
    : { accelerator: 'tcg', reason: '/dev/kvm exists, but a guest does not boot with it' };
}

async function boots(images: Images, log: string): Promise<boolean> {
  writeFileSync(log, '');
  const qemu = new Child({
    name: 'QEMU (probe)',
    command: probeCommand(images, 'kvm', log),
    maxRunMs: PROBE_MS,
  });
  await qemu.ended(PROBE_MS);
  await qemu.stop();
  return RUNS.test(readFileSync(log, 'utf8'));
}
