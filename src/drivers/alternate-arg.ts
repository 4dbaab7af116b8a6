// SPDX-License-Identifier: BSD-3-Clause
// The argument mem=PATH@OFFSET: an alternate mapping of a device's memory.
import type { AlternateMapping } from '../engines/alternate-mapping.ts';
import { PmdError } from '../errors.ts';

/** Null without the argument; throws VPCI_DEVARGS if it is malformed. */
export function alternateArg(name: string, devargs: ReadonlyMap<string, string>): AlternateMapping | null {
  const text = devargs.get('mem');
  if (text === undefined) return null;
  const [, path, number] = /^(.+)@(\d+|0x[0-9a-f]+)$/i.exec(text) ?? [];
  const offset = Number(number);
  if (path === undefined || !Number.isSafeInteger(offset))
    throw new PmdError('VPCI_DEVARGS', `Failed to probe ${name}: mem=${text} is not PATH@OFFSET`);
  return { path, offset };
}
