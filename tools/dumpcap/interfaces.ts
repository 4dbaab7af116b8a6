// SPDX-License-Identifier: BSD-3-Clause
// The ports that a capture is of, and their filters.
import { failedTo, PmdError } from '../../src/errors.ts';
import { native } from '../../src/native.ts';
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
  const names = ports.map(({ id, name }) => `${id} (${name})`).join(', ');
  throw new PmdError('VPCI_NO_QUEUE', `Failed to capture: there is no interface '${wanted}', but ${names}`);
}

/** linux/filter.h, SKF_AD_OFF: loads from here on are of what the kernel knows of a packet of a socket. */
const OF_SOCKETS = 0xffff_f000;
const INSTRUCTION_BYTES = 8;
/** Class, of which 0 and 1 load, and mode, of which 0x20 and 0x40 load from a packet (linux/bpf_common.h). */
const [CLASS, MODE] = [0x07, 0xe0];

function asksSockets(code: Uint8Array): boolean {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  for (let at = 0; at + INSTRUCTION_BYTES <= code.length; at += INSTRUCTION_BYTES) {
    const operation = view.getUint16(at, true);
    const mode = operation & MODE;
    const loads = (operation & CLASS) <= 1 && (mode === 0x20 || mode === 0x40);
    if (loads && view.getUint32(at + 4, true) >= OF_SOCKETS) return true;
  }
  return false;
}

/**
 * Compiles a filter. Throws a PmdError: libpcap is missing, or does not understand it, or makes it ask what
 * only the kernel's sockets know.
 */
export function compile({ filter, snaplen }: InterfaceOptions): {
  code: Uint8Array;
  lines: readonly string[];
} {
  if (filter === '') return { code: new Uint8Array(0), lines: [] };
  let program: ReturnType<typeof native.compileFilter>;
  try {
    program = native.compileFilter(filter, snaplen);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new PmdError(
        'ENOENT',
        `Failed to load libpcap, which compiles filters: install libpcap0.8 (Debian, Ubuntu) or libpcap: ${(error as Error).message}`,
      );
    throw failedTo(`compile the capture filter "${filter}"`, error);
  }
  if (asksSockets(program.code))
    throw new PmdError(
      'EINVAL',
      `Failed to compile the capture filter "${filter}": it asks what only a socket of Linux knows (inbound, outbound)`,
    );
  return program;
}
