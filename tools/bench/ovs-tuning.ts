// SPDX-License-Identifier: BSD-3-Clause
// The strongest Open vSwitch that we can make: what its documentation names is tried in turns against what
// was best so far, and kept where it pays.
import { OVS_DEFAULTS, type OvsTuning } from '../run/ovs.ts';
import type { Case } from './cases.ts';
import { compare } from './paired-rounds.ts';
import { BURST, type Settings } from './settings.ts';
import { type Flows, OvsBackEnd } from './sides/ovs.ts';
import type { Plan } from './suite.ts';

/** Of the switch, and of the guests behind it. */
export interface OvsChoice extends OvsTuning {
  readonly mergeable: boolean;
  /** Entries of each ring, where they are not those of the other side. */
  readonly queueSize?: 256 | 1024;
}

/** As it comes. */
export const PLAIN_OVS: OvsChoice = { ...OVS_DEFAULTS, mergeable: true };

const TRIALS: readonly Partial<OvsChoice>[] = [
  { mergeable: false },
  { queueSize: 1024 },
  { emcInsertInverse: 0 },
  { txFlushUs: 50 },
];
/** A change has to be this much faster. */
const PAYS = 1.02;
/** A single round's ratio is off by as much as that. */
const ROUNDS = 3;
const SECONDS = 0.4;
const TX_FIRST = 32;
/** All trials of a kind of flows, on a quiet machine. */
export const TUNING_SECONDS = 100;

export async function strongestOvs(plan: Plan, flows: Flows): Promise<OvsChoice> {
  const size = Math.min(...plan.all.map((wanted) => wanted.size));
  const wanted: Case = { name: `tuning OVS ${flows}`, direction: 'relay', size };
  const side = (choice: OvsChoice) => {
    const { mergeable } = choice;
    return new OvsBackEnd(settingsWith(choice, plan.settings), plan.workspace, {
      ...{ flows, tuning: choice, ports: 2, oneWay: false },
      guests: { forwardMode: 'io', burst: BURST, size, mergeable, txFirst: TX_FIRST, receivers: 2 },
    });
  };
  let best = PLAIN_OVS;
  for (const change of TRIALS) {
    const tried = { ...best, ...change };
    if (tried.queueSize === plan.settings.queueSize) continue;
    const { rows } = await compare({
      ...{ workspace: plan.workspace, cases: [wanted], progress: plan.progress },
      settings: { ...plan.settings, rounds: ROUNDS, seconds: SECONDS },
      ...{ kind: changeText(change), names: ['changed', 'as it is'] as const },
      createA: () => side(tried),
      createB: () => side(best),
    });
    if ((rows[0]?.ratio.median ?? 0) >= PAYS) best = tried;
  }
  plan.progress(`tuning OVS ${flows}, chosen: ${choiceText(best, plan.settings)}`);
  return best;
}

/** Those of a side with this choice. */
export const settingsWith = ({ queueSize }: OvsChoice, settings: Settings): Settings => ({
  ...settings,
  queueSize: queueSize ?? settings.queueSize,
});

/** What a trial changes, in the words of choiceText(). */
const changeText = ({ mergeable, queueSize, emcInsertInverse, txFlushUs }: Partial<OvsChoice>): string =>
  [
    mergeable !== undefined && `mrg_rxbuf ${mergeable ? 'on' : 'off'}`,
    queueSize !== undefined && `rings of ${queueSize}`,
    emcInsertInverse !== undefined && `emc-insert-inv-prob ${emcInsertInverse}`,
    txFlushUs !== undefined && `tx-flush-interval ${txFlushUs}`,
  ]
    .filter(Boolean)
    .join(', ');

/** In Open vSwitch's and virtio-net's words. */
export function choiceText(
  choice: OvsChoice,
  { backEndCpu, queueSize }: Pick<Settings, 'backEndCpu' | 'queueSize'>,
): string {
  const { emcInsertInverse, txFlushUs, mergeable } = choice;
  return [
    `pmd-rxq-affinity 0:${backEndCpu}`,
    `emc-insert-inv-prob ${emcInsertInverse}`,
    `tx-flush-interval ${txFlushUs}`,
    `mrg_rxbuf ${mergeable ? 'on' : 'off'}`,
    `rings of ${choice.queueSize ?? queueSize}`,
  ].join(', ');
}
