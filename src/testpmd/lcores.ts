// SPDX-License-Identifier: BSD-3-Clause
// Chooses the main lcore and the forwarding lcores.
import type { LcorePlace } from '../lcore/lcore-list.ts';
import { UsageError } from './getopt.ts';
import type { EalSettings } from './settings.ts';

export interface Lcores {
  readonly main: LcorePlace;
  readonly forwarding: readonly LcorePlace[];
}

/**
 * Splits the lcores of the command line into the main lcore and the rest; `cpus` are the CPUs this process
 * may use.
 */
export function chooseLcores(eal: EalSettings, cpus: readonly number[]): Lcores {
  const places = eal.lcores.length > 0 ? eal.lcores : defaultLcores(cpus);
  const main = eal.mainLcore === null ? places[0] : places.find((place) => place.id === eal.mainLcore);
  if (!main)
    throw new UsageError(`option '--main-lcore': lcore ${eal.mainLcore} is not in the list of lcores`);
  for (const { id, cpus: wanted } of places) {
    const missing = wanted.find((cpu) => !cpus.includes(cpu));
    if (missing === undefined) continue;
    throw new UsageError(
      `lcore ${id}: CPU ${missing} is not among the CPUs of this process (${cpus.join(', ')})`,
    );
  }
  const forwarding = places.filter((place) => place !== main);
  if (forwarding.length === 0) {
    throw new UsageError(
      `no lcore is left for forwarding besides the main lcore; try --lcores '0@${cpus[0]},1@${cpus[0]}'`,
    );
  }
  return { main, forwarding };
}

/** Why these lcores cannot forward, in testpmd's words; null: they can. */
export function lcoreFault({ main, forwarding }: Lcores, ids: readonly number[]): string | null {
  const first = ids.find((id) => !forwarding.some((place) => place.id === id));
  if (first === undefined) return null;
  if (first !== main?.id) return `lcore ${first} not enabled`;
  return `lcore ${first} cannot be masked on for running packet forwarding, which is the main lcore and reserved for command line parsing only`;
}

/** One lcore per CPU; two lcores share a single CPU. */
function defaultLcores(cpus: readonly number[]): LcorePlace[] {
  const places = cpus.slice(0, 128).map((cpu) => ({ id: cpu, cpus: [cpu] }));
  return places.length > 1 ? places : [0, 1].map((id) => ({ id, cpus: [...cpus] }));
}
