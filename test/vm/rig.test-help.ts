// SPDX-License-Identifier: BSD-3-Clause
// Common to the tests with virtual machines: whether they can run, the rig, the PMD on the host or in VM1,
// and VM2's traffic.
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Child } from '../../tools/run/child.ts';
import { ourProgram } from '../../tools/run/programs.ts';
import { noDebianReason } from '../../tools/vm/debian.ts';
import type { Machine } from '../../tools/vm/machine.ts';
import { FUNCTION_ADDRESS } from '../../tools/vm/qemu.ts';
import { Rig } from '../../tools/vm/rig.ts';

/** Milliseconds after which everything in one file's rig is ended in any case. */
const MAX_RUN_MS = 1800_000;
export const START_MS = 120_000;
/** Far longer than any number of frames here takes on a busy machine. */
const ECHO_MS = 240_000;

function whyNot(): string | undefined {
  const project = new URL('../../dist/src/testpmd/main.js', import.meta.url);
  return (
    noDebianReason() ?? (existsSync(project) ? undefined : "the project is not built: run 'npm run build'")
  );
}

/**
 * A describe with a rig; skipped, with the reason in its name, where a rig is not possible, but failing in
 * CI.
 */
export function describeRig(name: string, tests: (rig: () => Rig) => void): void {
  const reason = whyNot();
  if (reason && process.env.CI !== 'true') {
    describe.skip(`${name} (${reason})`, () => tests(() => undefined as never));
    return;
  }
  describe(name, () => {
    let rig: Rig;
    beforeAll(async () => {
      if (reason) throw new Error(`There can be no rig: ${reason}`);
      rig = await Rig.prepare({ say: (line) => process.stdout.write(`${line}\n`), maxRunMs: MAX_RUN_MS });
    });
    afterAll(() => rig?.stop());
    tests(() => rig);
  });
}

/** The PMD as a process on the host, on the device model's vfio-user socket. */
export async function startHostPmd(rig: Rig, mode: string): Promise<Child> {
  const pmd = rig.startProgram('vhost-pci-testpmd', [
    ...ourProgram('vhost-pci-testpmd'),
    ...['--lcores', '0@0,1@1', '--no-huge', '--vdev', `net_vhost_pci0,path=${rig.vfioUser}`],
    ...['--', '-i', `--forward-mode=${mode}`, '--auto-start'],
  ]);
  await pmd.waitFor(/testpmd> /, START_MS);
  return pmd;
}

/** Runs one command at testpmd's prompt and returns its output. */
export async function command(pmd: Child, line: string): Promise<string> {
  const from = pmd.printed;
  pmd.write(line);
  await pmd.waitFor(/\n[\s\S]*testpmd> $/, START_MS, from);
  return pmd.output.slice(from);
}

/** Binds VM1's function to a kernel driver. */
export const bind = (guest: Machine, driver: string): Promise<string> =>
  guest.run(`vhost-pci-devbind --bind=${driver} ${FUNCTION_ADDRESS}`, START_MS);

/** Files with the output and the commands of the PMD in VM1. */
export const PMD_LOG = '/tmp/pmd.log';
/** For pgrep: its name before and after it has set one of its own, of which the kernel keeps 15 bytes. */
export const PMD_PROCESS = `'^(node|vhost-pci-testp)'`;
export const PMD_INPUT = '/tmp/pmd.in';

/** Further options of the EAL and of testpmd. */
export interface PmdOptions {
  readonly eal?: string;
  readonly options?: string;
}

/** Starts the PMD in VM1, which runs until it is killed; resolves when its link is up. */
export async function startGuestPmd(
  guest: Machine,
  mode: string,
  { eal = '', options = '--stats-period=60' }: PmdOptions = {},
): Promise<void> {
  const command = `vhost-pci-testpmd -l 0,1 --no-huge -a ${FUNCTION_ADDRESS} ${eal} -- ${options}`;
  await guest.run(
    `rm -f ${PMD_INPUT}; mkfifo ${PMD_INPUT} || exit 1
     # Open for both, the input has no end.
     (setsid ${command} --forward-mode=${mode} --auto-start >${PMD_LOG} 2>&1 <>${PMD_INPUT} &)
     for i in $(seq 600); do
       grep -q 'link state change event' ${PMD_LOG} && exit 0
       [ $i -lt 20 ] || pgrep ${PMD_PROCESS} >/dev/null || break
       sleep 0.1
     done
     cat ${PMD_LOG}; exit 1`,
    START_MS,
  );
}

export const killGuestPmd = (guest: Machine): Promise<string> =>
  guest.run(`kill -9 $(pgrep ${PMD_PROCESS}); while pgrep ${PMD_PROCESS}; do sleep 0.1; done`);

/** Waits until the PMD in VM1 has exited by itself; returns its error messages from then. */
export const endedPmd = (guest: Machine): Promise<string> =>
  guest.run(
    `for i in $(seq 300); do pgrep ${PMD_PROCESS} >/dev/null || break; sleep 0.1; done
     ! pgrep ${PMD_PROCESS} && sed -n '/^net_vhost_pci: The device/p; /^testpmd: the last/p' ${PMD_LOG}`,
    START_MS,
  );

/** What it prints when its device is gone. */
export const REMOVED = new RegExp(
  `^net_vhost_pci: The device ${FUNCTION_ADDRESS} is gone: it no longer responds\ntestpmd: the last port was removed, see --hot-plug\n$`,
);

const ECHO = readFileSync(new URL('./guest/echo.py', import.meta.url), 'utf8');

/**
 * Has VM2's kernel send `count` frames of all sizes and compare the returned ones; "sent S received R bad B",
 * and VM2's own counters if frames were lost. VM2's default queue, fq_codel, drops a frame when others have
 * waited too long, as happens on a busy machine; a plain queue never drops as few frames as are in flight
 * here.
 */
export async function echo(peer: Machine, count: number): Promise<string> {
  const script = `ip link set eth0 up && tc qdisc replace dev eth0 root pfifo limit 1000 || exit 1
    cat >/tmp/echo.py <<'END'\n${ECHO}\nEND
    python3 /tmp/echo.py eth0 ${count} || { ip -s link show eth0; tc -s qdisc show dev eth0; }`;
  return (await peer.run(script, ECHO_MS)).trim();
}

export const allCameBack = (count: number): string => `sent ${count} received ${count} bad 0`;
