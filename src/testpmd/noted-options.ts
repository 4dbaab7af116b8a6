// SPDX-License-Identifier: BSD-3-Clause
// Options that DPDK accepts for any port driver, and that ports without the function leave without effect. As
// users pass them to every testpmd, they are accepted; each says at the start that it has no effect.
import type { OptionRow } from './getopt.ts';
import type { Settings } from './settings.ts';

type Row = OptionRow<Settings>;

const NO_OFFLOAD = 'no port here has it';
/** A value that asks for nothing. */
const NONE = /^(0x)?0+$/;

function noted(names: string, why: string, arg?: string, quiet?: RegExp): Row[] {
  return names.split(' ').map((name) => ({
    long: [name],
    arg,
    why,
    apply: (settings, value) => {
      if (!quiet?.test(value)) settings.notes.push(`--${name} has no effect: ${why}`);
    },
  }));
}

export const notedOptions: readonly Row[] = [
  ...noted('enable-drop-en enable-rx-timestamp', NO_OFFLOAD),
  ...noted('enable-lro', 'large packets are received where all ports that send them take them'),
  ...noted('rss-level-inner rss-level-outer', NO_OFFLOAD),
  ...noted('max-lro-pkt-size', 'a port receives what its peer sends', 'N'),
  ...noted('hairpinq hairpin-mode', 'these ports have no hairpin queues', 'N', NONE),
  ...noted('rxpkts rxoffs rxhdrs rx-mq-mode', NO_OFFLOAD, 'X', NONE),
  ...noted('multi-rx-mempool rxq-share flow-isolate-all', NO_OFFLOAD, '[X]'),
  ...noted('eth-link-speed vxlan-gpe-port geneve-parsed-port', 'these ports have no such setting', 'N', NONE),
];
