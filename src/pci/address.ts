// SPDX-License-Identifier: BSD-3-Clause
// PCI addresses as users write them: "0000:00:04.0", or without the domain "00:04.0".

const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;

/** The full address in lower case, or null when the text is none. DPDK's "pci:" in front is allowed. */
export function parsePciAddress(text: string): string | null {
  const found = ADDRESS.exec(text.replace(/^pci:/, ''));
  if (!found) return null;
  const [, domain = '0000', bus, slot, fn] = found;
  return `${domain}:${bus}:${slot}.${fn}`.toLowerCase();
}
