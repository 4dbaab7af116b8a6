// SPDX-License-Identifier: BSD-3-Clause
// The ports that a capture is of.
import { PmdError } from '../../src/errors.ts';
import type { ListedPort } from '../../src/pdump/protocol.ts';
import type { InterfaceOptions } from './options.ts';

export interface Interface extends InterfaceOptions {
  readonly port: ListedPort;
}

/** Looks the wanted ports up. Throws a PmdError that has the names that there are. */
export function findInterfaces(
  wanted: readonly InterfaceOptions[],
  ports: readonly ListedPort[],
): Interface[] {
  const found = wanted.map((one) => ({ ...one, port: findPort(one.wanted, ports) }));
  const twice = found.find(({ port }, i) => found.findIndex((other) => other.port === port) < i);
  if (twice) throw new PmdError('VPCI_USAGE', `Failed to capture: ${twice.port.name} is named twice`);
  return found;
}

function findPort(wanted: string | null, ports: readonly ListedPort[]): ListedPort {
  const found =
    wanted === null ? ports[0] : ports.find(({ id, name }) => name === wanted || String(id) === wanted);
  if (found) return found;
  if (ports.length === 0) throw new PmdError('VPCI_NO_PORTS', 'Failed to capture: the process has no ports');
  const isAre = ports.length === 1 ? 'there is' : 'there are';
  const names = ports.map(({ id, name }) => `${id} (${name})`).join(', ');
  throw new PmdError('VPCI_NO_QUEUE', `Failed to capture: no interface '${wanted}'; ${isAre} ${names}`);
}
