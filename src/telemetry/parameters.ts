// SPDX-License-Identifier: BSD-3-Clause
// Parameters as DPDK reads them: a number in C's notation, and whatever follows it is ignored.

/**
 * The number at the start of `text`, as strtoul(text, &rest, 0) reads it; undefined unless it starts with a
 * digit.
 */
export function leadingNumber(text: string | undefined): { value: number; rest: string } | undefined {
  const [found] = /^(0x[0-9a-f]+|\d+)/i.exec(text ?? '') ?? [];
  if (text === undefined || found === undefined) return undefined;
  const octal = /^0[0-7]*/.exec(found)?.[0];
  if (octal === undefined || /^0x/i.test(found))
    return { value: Number(found), rest: text.slice(found.length) };
  return { value: Number.parseInt(octal, 8), rest: text.slice(octal.length) };
}

/** The value of `key` in ",key=value,…". */
export function keyed(rest: string, key: string): string | undefined {
  const pair = rest.split(',').find((one) => one.startsWith(`${key}=`));
  return pair?.slice(key.length + 1);
}
