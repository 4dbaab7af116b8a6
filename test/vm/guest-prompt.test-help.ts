// SPDX-License-Identifier: BSD-3-Clause
// The PMD in VM1 with its prompt: its counters, and its CPU time.
import type { Machine } from '../../tools/vm/machine.ts';
import { PMD_INPUT, PMD_LOG, PMD_PROCESS, START_MS, startGuestPmd } from './rig.test-help.ts';

/** Duration of a measurement of the CPU time, and how many measurements wait for quiet. */
const LOOK_S = 8;
const LOOKS = 6;

/** testpmd options in addition to the prompt and the mode. */
export const startGuestPrompt = (guest: Machine, mode: string, options: string, eal = ''): Promise<void> =>
  startGuestPmd(guest, mode, { eal, options: `-i ${options}` });

/** Types a command at the prompt; returns the output up to the next prompt. */
export const say = (guest: Machine, line: string): Promise<string> =>
  guest.run(
    `from=$(stat -c %s ${PMD_LOG})
     said() { tail -c +$((from + 1)) ${PMD_LOG}; }
     echo '${line}' >${PMD_INPUT}
     for i in $(seq 600); do
       said | sed -n '/${line}$/,$p' | tail -n +2 | grep -q 'testpmd> ' && break
       sleep 0.1
     done
     said`,
    START_MS,
  );

/** Counters of one port, by name. */
export async function xstats(guest: Machine, port = 0): Promise<(name: string) => number> {
  const all = await say(guest, `show port xstats ${port}`);
  return (name) => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(all)?.[1]);
}

/**
 * The share of a CPU that its lcores use, once the machine is idle: kernels send packets when an interface
 * comes up. Counts the nanoseconds that the guest's scheduler gave each thread.
 */
export async function idleShare(guest: Machine, enough: number): Promise<number> {
  for (let look = 1; ; look++) {
    const { lcores, process } = await cpuShare(guest);
    const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
    console.log(`idle: lcores ${percent(lcores)} of a CPU, all threads ${percent(process)}`);
    if (lcores < enough || look === LOOKS) return lcores;
  }
}

async function cpuShare(guest: Machine): Promise<{ lcores: number; process: number }> {
  const report = await guest.run(
    `cd /proc/$(pgrep -o ${PMD_PROCESS})/task || exit 1
     look() { for task in *; do echo $(cut -d' ' -f1 $task/schedstat) $(cat $task/comm); done; }
     sum() { awk -v name="$1" '$2 ~ name { n += $1; found = 1 } END { print found ? n : "none" }'; }
     start=$(date +%s%N); before=$(look); sleep ${LOOK_S}; after=$(look); end=$(date +%s%N)
     echo $((end - start))
     for name in ^dpdk-worker .; do echo "$before" | sum $name; echo "$after" | sum $name; done`,
    START_MS,
  );
  const [elapsed, lcoresBefore, lcoresAfter, allBefore, allAfter] = report.trim().split('\n').map(Number);
  return { lcores: (lcoresAfter - lcoresBefore) / elapsed, process: (allAfter - allBefore) / elapsed };
}
