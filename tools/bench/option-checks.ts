// SPDX-License-Identifier: BSD-3-Clause
// What options say together: none is accepted and then without effect.

export interface Rule<Options> {
  readonly applies: (options: Options) => boolean;
  /** Options that then have no effect, or one that cannot have it. */
  readonly keys: readonly (string & keyof Options)[];
  readonly because: string;
}

/** What is wrong, in one line that begins with an option; undefined if nothing is. */
export function ineffective<Options>(
  rules: readonly Rule<Options>[],
  options: Options,
  isGiven: (key: string & keyof Options) => boolean,
): string | undefined {
  for (const { applies, keys, because } of rules) {
    const key = applies(options) ? keys.find(isGiven) : undefined;
    if (key !== undefined) return `${flagOf(key)}: ${because}`;
  }
  return undefined;
}

const flagOf = (key: string): string =>
  key === 'huge' ? '--no-huge' : `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** What works in the peer's buffers by default; in the other directions our driver copies, always. */
const IN_PLACE = ['tx', 'io', 'relay'];

export const COPIES_ANYWAY: Rule<{ readonly cases: readonly string[]; readonly copying?: true }> = {
  applies: ({ cases }) => !cases.some((each) => IN_PLACE.includes(each)),
  keys: ['copying'],
  because: 'in these cases our driver copies through mbufs anyway',
};

export const HUGEPAGES_NEEDED: Rule<{ readonly huge: boolean }> = {
  applies: () => true,
  keys: ['huge'],
  because: 'Open vSwitch with DPDK needs hugepages',
};
