// SPDX-License-Identifier: BSD-3-Clause
// --compare: the figures that an earlier run wrote with --json.
import { readText } from '../../../src/user-file.ts';
import { searches } from '../modes.ts';
import type { Options } from '../options.ts';
import { fault } from '../plan/fault.ts';
import { type Json, type Kind, kindOf } from './json.ts';

/** A search of many steps has some MiB. */
const MOST_BYTES = 1 << 28;

export interface Earlier {
  readonly file: string;
  readonly json: Json;
}

const NAMES: Readonly<Record<Kind, string>> = {
  run: 'a run',
  search: 'a search (--ndr, --pdr)',
  rfc2544: '--rfc2544',
};

/** Undefined if none is wanted. Throws one line that names the file. */
export function earlierOf(options: Options): Earlier | undefined {
  const { compare: file } = options;
  if (file === undefined) return undefined;
  const json = parsed(readText(file, MOST_BYTES));
  const kind = kindOf(json);
  if (kind === undefined) throw fault('--compare', `${file} is not what --json writes`);
  const single: Kind = searches(options) ? 'search' : 'run';
  const wanted = options.rfc2544 === undefined ? single : 'rfc2544';
  if (kind !== wanted)
    throw fault('--compare', `${file} has the figures of ${NAMES[kind]}, not of ${NAMES[wanted]}`);
  return { file, json: json as Json };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
