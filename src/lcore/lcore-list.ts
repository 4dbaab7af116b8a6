// SPDX-License-Identifier: BSD-3-Clause
// Parses the lcore lists of -l, --lcores and -c, in EAL's syntax: the lcores and their CPUs.
import { argumentError } from '../arguments.ts';
import { PmdError } from '../errors.ts';

/** An lcore and where it runs. */
export interface LcorePlace {
  /** Its number, 0 to 127. */
  readonly id: number;
  /** CPUs that the lcore's thread may run on. */
  readonly cpus: readonly number[];
}

/** DPDK's RTE_MAX_LCORE. */
export const MAX_LCORES = 128;
/** The highest CPU that a thread can be pinned to. */
export const MAX_CPU = 1023;

/**
 * The lcores of "0-1", "0,2-3", "0@1,1@1" or "(0-1)@2,3@(4,5)", in ascending order. Without "@", a single
 * lcore runs on the CPU of the same number, and a group "(…)" on the CPUs of all its members. Throws
 * VPCI_LCORES or VPCI_ARGUMENT.
 */
export function parseLcores(list: string): LcorePlace[] {
  if (typeof list !== 'string') throw argumentError('parseLcores()', 'list', "a string such as '0-1'", list);
  const places = new Map<number, LcorePlace>();
  for (const item of splitOutsideParentheses(list)) {
    const [set = '', at, surplus] = item.split('@');
    if (surplus !== undefined) throw bad(list, `'${item}' has two '@'`);
    const ids = numbers(list, set, MAX_LCORES - 1);
    const cpus = at === undefined ? null : numbers(list, at, MAX_CPU);
    for (const id of ids) {
      if (places.has(id)) throw bad(list, `lcore ${id} is given twice`);
      places.set(id, { id, cpus: cpus ?? (set.startsWith('(') ? ids : [id]) });
    }
  }
  return [...places.values()].sort((a, b) => a.id - b.id);
}

/** The lcores of a hexadecimal mask: "0x3" is lcores 0 and 1. Throws VPCI_LCORES or VPCI_ARGUMENT. */
export function parseCoremask(mask: string): LcorePlace[] {
  if (typeof mask !== 'string')
    throw argumentError('parseCoremask()', 'mask', "a string such as '0x3'", mask);
  if (!/^(0x)?[0-9a-f]{1,32}$/i.test(mask)) throw bad(mask, 'a core mask is a hexadecimal number');
  const bits = BigInt(`0x${mask.replace(/^0x/i, '')}`);
  const places: LcorePlace[] = [];
  for (let id = 0; id < MAX_LCORES; id++) if ((bits >> BigInt(id)) & 1n) places.push({ id, cpus: [id] });
  if (places.length === 0) throw bad(mask, 'the mask is empty');
  return places;
}

function splitOutsideParentheses(list: string): string[] {
  const items: string[] = [];
  let item = '';
  let depth = 0;
  for (const c of list.replaceAll(' ', '')) {
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (depth < 0 || depth > 1) break;
    if (c === ',' && depth === 0) {
      items.push(item);
      item = '';
    } else item += c;
  }
  if (depth !== 0) throw bad(list, 'parentheses do not match');
  return [...items, item];
}

/** The numbers in "3", "0-2" or "(0-1,4)". */
function numbers(list: string, set: string, max: number): number[] {
  const inner = /^\((.*)\)$/.exec(set)?.[1] ?? set;
  const found = new Set<number>();
  for (const part of inner.split(',')) {
    const range = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!range) throw bad(list, `'${part}' is neither a number nor a range`);
    const from = Number(range[1]);
    const to = Number(range[2] ?? range[1]);
    if (from > to) throw bad(list, `range '${part}' runs backwards`);
    if (to > max) throw bad(list, `${to} is more than ${max}`);
    for (let n = from; n <= to; n++) found.add(n);
  }
  return [...found].sort((a, b) => a - b);
}

function bad(list: string, cause: string): PmdError {
  return new PmdError('VPCI_LCORES', `Failed to parse lcores '${list}': ${cause}`);
}
