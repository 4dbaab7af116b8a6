// SPDX-License-Identifier: BSD-3-Clause
// PCI addresses as users write them: "0000:00:04.0", or "00:04.0" without the domain.

const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;

/** The full address in lower case; null if `text` is not an address. Accepts DPDK's prefix "pci:". */
export function parsePciAddress(text: string): string | null {
  const found = ADDRESS.exec(text.replace(/^pci:/, ''));
  if (!found) return null;
  const [, domain = '0000', bus, slot, fn] = found;
  return `${domain}:${bus}:${slot}.${fn}`.toLowerCase();
}
