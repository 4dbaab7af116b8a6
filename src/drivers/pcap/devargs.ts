// SPDX-License-Identifier: BSD-3-Clause
// Arguments of net_pcap, DPDK's: each rx_pcap= and tx_pcap= is one queue.
import { PmdError } from '../../errors.ts';
import { integerArg, repeatedArg } from '../../ethdev/devargs.ts';

export interface PcapDevargs {
  /** Files to read, one for each receive queue, and to write. */
  readonly rx: readonly string[];
  readonly tx: readonly string[];
  /** Read the files over and over. */
  readonly infinite: boolean;
}

const INTERFACES = ['rx_iface', 'rx_iface_in', 'tx_iface', 'iface'] as const;

/** DPDK's RTE_PMD_PCAP_MAX_QUEUES. */
const MAX_QUEUES = 16;
export const PCAP_REPEATABLE = ['rx_pcap', 'tx_pcap', ...INTERFACES] as const;
export const PCAP_KEYS = [...PCAP_REPEATABLE, 'infinite_rx', 'phy_mac'] as const;

/** Throws VPCI_DEVARGS. */
export function parsePcapDevargs(name: string, values: ReadonlyMap<string, string>): PcapDevargs {
  const fail = (cause: string): never => {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: ${cause}`);
  };
  for (const key of [...INTERFACES, 'phy_mac'])
    if (values.has(key))
      fail(`${key}: it reads and writes files only; net_tap is a port on the kernel's network`);
  const rx = repeatedArg(values, 'rx_pcap');
  const tx = repeatedArg(values, 'tx_pcap');
  if (rx.length + tx.length === 0) fail('it needs rx_pcap=FILE or tx_pcap=FILE');
  for (const [key, files] of Object.entries({ rx_pcap: rx, tx_pcap: tx })) {
    if (files.length > MAX_QUEUES)
      fail(`${files.length} times ${key}, one for each queue: ${MAX_QUEUES} at most`);
    if (files.includes('')) fail(`${key} needs a file`);
  }
  if (new Set(tx).size < tx.length) fail('two tx_pcap with the same file would overwrite each other');
  const infinite = integerArg(name, values, 'infinite_rx', { fallback: 0, min: 0, max: 1 }) === 1;
  if (infinite && rx.length === 0) fail('infinite_rx needs rx_pcap=FILE');
  return { rx, tx, infinite };
}
