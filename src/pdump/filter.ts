// SPDX-License-Identifier: BSD-3-Clause
// Filters of captures: expressions of pcap-filter(7), compiled by the system's libpcap.
import { PmdError } from '../errors.ts';
import { native } from '../native.ts';

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

/** struct bpf_insn after struct bpf_insn, and a line of text for each. */
export type FilterProgram = ReturnType<typeof native.compileFilter>;

/**
 * Compiles a filter; an empty one takes every packet. Throws a PmdError: libpcap is missing, or does not
 * understand it, or makes it ask what only the kernel's sockets know.
 */
export function compileFilter(filter: string, snaplen: number): FilterProgram {
  if (filter === '') return { code: new Uint8Array(0), lines: [] };
  let program: FilterProgram;
  try {
    program = native.compileFilter(filter, snaplen);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new PmdError(
        'ENOENT',
        `Failed to load libpcap, which compiles filters: install libpcap0.8 (Debian, Ubuntu) or libpcap: ${(error as Error).message}`,
      );
    throw wrongFilter(filter, (error as Error).message);
  }
  if (asksSockets(program.code))
    throw wrongFilter(filter, 'it asks what only a socket of Linux knows (inbound, outbound)');
  return program;
}

const wrongFilter = (filter: string, cause: string): PmdError =>
  new PmdError('VPCI_USAGE', `Failed to compile the capture filter "${filter}": ${cause}`);
