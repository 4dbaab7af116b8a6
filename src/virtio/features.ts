// SPDX-License-Identifier: BSD-3-Clause
// Feature sets: bit n of a bigint is feature n, 0 to 127.
import {
  VHOST_PCI_F_GATE,
  VHOST_PCI_F_LINK_REASON,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
} from '../abi/vhost-pci.ts';
import * as net from '../abi/virtio-net.ts';
import * as ring from '../abi/virtio-ring.ts';

export type FeatureSet = bigint;

export const features = (...bits: readonly number[]): FeatureSet =>
  bits.reduce((set, bit) => set | (1n << BigInt(bit)), 0n);

export const hasFeature = (set: FeatureSet, bit: number): boolean => ((set >> BigInt(bit)) & 1n) === 1n;

const NAMES: ReadonlyMap<number, string> = new Map([
  ...namesOf(net, 'VIRTIO_NET_F_'),
  ...namesOf(ring, 'VIRTIO_F_'),
  [VHOST_PCI_F_SESSION, 'SESSION'],
  [VHOST_PCI_F_REMAP, 'REMAP'],
  [VHOST_PCI_F_LINK_REASON, 'LINK_REASON'],
  [VHOST_PCI_F_GATE, 'GATE'],
]);

/** ["MRG_RXBUF", 15], ["VERSION_1", 32]: in bit order, "bit_99" for a bit without a name. */
export function namedFeatures(set: FeatureSet): [name: string, bit: number][] {
  const named: [string, number][] = [];
  for (let bit = 0; set >> BigInt(bit) !== 0n; bit++) {
    if (hasFeature(set, bit)) named.push([NAMES.get(bit) ?? `bit_${bit}`, bit]);
  }
  return named;
}

/** "MRG_RXBUF VERSION_1". */
export function describeFeatures(set: FeatureSet): string {
  return (
    namedFeatures(set)
      .map(([name]) => name)
      .join(' ') || 'none'
  );
}

function namesOf(table: Readonly<Record<string, unknown>>, prefix: string): [number, string][] {
  return Object.entries(table)
    .filter((entry): entry is [string, number] => entry[0].startsWith(prefix) && typeof entry[1] === 'number')
    .map(([name, bit]) => [bit, name.slice(prefix.length)]);
}
