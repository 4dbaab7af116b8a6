// SPDX-License-Identifier: BSD-3-Clause
// Replies as text. What finds no room is left out, entry for entry, and the reply stays valid JSON: that is
// DPDK's rule, and clients rely on one datagram for each reply.
import { type Json, MAX_OUTPUT } from './commands.ts';

/** Characters of a single string. */
const MAX_STRING = 8192;

/** `{"key":value}`, at most `most` bytes long. */
export function replyText(key: string, value: Json, most = MAX_OUTPUT): string {
  const head = `{${JSON.stringify(key)}:`;
  return `${head}${fitted(value, most - Buffer.byteLength(head) - 1)}}`;
}

/** The value in at most `room` bytes; of an object or array, the entries that fit. */
function fitted(value: Json, room: number): string {
  if (typeof value === 'string') {
    const text = toJson(value.slice(0, MAX_STRING));
    return Buffer.byteLength(text) <= room ? text : 'null';
  }
  if (typeof value !== 'object' || value === null) return toJson(value);
  return Array.isArray(value)
    ? `[${entries(value.map(toJson), room)}]`
    : `{${entries(
        pairsOf(value).map(([name, one]) => `${JSON.stringify(name)}:${toJson(one)}`),
        room,
      )}}`;
}

function entries(texts: readonly string[], room: number): string {
  let left = room - 2;
  const taken = texts.filter((text) => {
    const bytes = Buffer.byteLength(text) + 1;
    if (bytes > left) return false;
    left -= bytes;
    return true;
  });
  return taken.join(',');
}

const pairsOf = (value: object): [string, Json][] => Object.entries(value as Record<string, Json>);

function toJson(value: Json): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`;
  return `{${pairsOf(value)
    .map(([name, one]) => `${JSON.stringify(name)}:${toJson(one)}`)
    .join(',')}}`;
}
