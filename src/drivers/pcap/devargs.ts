// SPDX-License-Identifier: BSD-3-Clause
// Arguments of net_pcap, DPDK's: each rx_pcap=, rx_iface=, tx_pcap= and tx_iface= is one queue, iface= is one
// of either direction.
import { PmdError } from '../../errors.ts';
import { integerArg, repeatedArg } from '../../ethdev/devargs.ts';

/** An interface of the kernel. */
export interface InterfaceArg {
  readonly name: string;
  /** Without the frames that it sends. */
  readonly onlyIncoming: boolean;
}

export interface PcapDevargs {
  /** Files to read, one for each receive queue, and to write. */
  readonly rx: readonly string[];
  readonly tx: readonly string[];
  /** The same of interfaces; a direction has either. */
  readonly rxInterfaces: readonly InterfaceArg[];
  readonly txInterfaces: readonly InterfaceArg[];
  /** iface=: the one queue of either direction. */
  readonly both: InterfaceArg | null;
  /** Read the files over and over. */
  readonly infinite: boolean;
  /** The port has its interface's address. */
  readonly phyMac: boolean;
}

/** DPDK's RTE_PMD_PCAP_MAX_QUEUES. */
const MAX_QUEUES = 16;
export const PCAP_REPEATABLE = ['rx_pcap', 'tx_pcap', 'rx_iface', 'rx_iface_in', 'tx_iface'] as const;
export const PCAP_KEYS = [...PCAP_REPEATABLE, 'iface', 'infinite_rx', 'phy_mac'] as const;

/** Throws VPCI_DEVARGS. */
export function parsePcapDevargs(name: string, values: ReadonlyMap<string, string>): PcapDevargs {
  const fail = (cause: string): never => {
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: ${cause}`);
  };
  const all = (key: (typeof PCAP_REPEATABLE)[number]) => repeatedArg(values, key);
  const flag = (key: string) => integerArg(name, values, key, { fallback: 0, min: 0, max: 1 }) === 1;
  const [rx, tx] = [all('rx_pcap'), all('tx_pcap')];
  const args: PcapDevargs = {
    rx,
    tx,
    rxInterfaces: [...interfaces(all('rx_iface'), false), ...interfaces(all('rx_iface_in'), true)],
    txInterfaces: interfaces(all('tx_iface'), false),
    both: interfaces(values.has('iface') ? [values.get('iface') ?? ''] : [], false)[0] ?? null,
    infinite: flag('infinite_rx'),
    phyMac: flag('phy_mac'),
  };
  const fault = faultOf(args);
  if (fault !== null) fail(fault);
  for (const key of PCAP_REPEATABLE) {
    const given = all(key);
    if (given.length > MAX_QUEUES)
      fail(`${given.length} times ${key}, one for each queue: ${MAX_QUEUES} at most`);
    if (given.includes('')) fail(`${key} needs ${key.endsWith('pcap') ? 'a file' : 'an interface'}`);
  }
  return args;
}

const interfaces = (names: readonly string[], onlyIncoming: boolean): InterfaceArg[] =>
  names.map((name) => ({ name, onlyIncoming }));

function faultOf({ rx, tx, rxInterfaces, txInterfaces, both, infinite, phyMac }: PcapDevargs): string | null {
  const queues = [...rx, ...tx, ...rxInterfaces, ...txInterfaces].length;
  const onInterfaces = rxInterfaces.length + txInterfaces.length > 0 || both !== null;
  if (both !== null && queues > 0) return 'iface= is both directions; leave the others out';
  if (both?.name === '') return 'iface needs an interface';
  if (queues === 0 && both === null)
    return 'it needs rx_pcap=FILE or tx_pcap=FILE, or rx_iface, tx_iface or iface';
  if (rx.length > 0 && rxInterfaces.length > 0) return 'rx_pcap and rx_iface cannot be mixed';
  if (tx.length > 0 && txInterfaces.length > 0) return 'tx_pcap and tx_iface cannot be mixed';
  if (new Set(tx).size < tx.length) return 'two tx_pcap with the same file would overwrite each other';
  if (infinite && rx.length === 0) return 'infinite_rx needs rx_pcap=FILE';
  if (phyMac && !onInterfaces) return 'phy_mac needs an interface';
  return null;
}
