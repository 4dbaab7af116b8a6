// SPDX-License-Identifier: BSD-3-Clause
// Figures of a JSON file that may be of any version or program: what is not there, or no figure, is null.
export type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object without keys for what is none. */
export const objectAt = (json: Json, key: string): Json => {
  const value = json[key];
  return isObject(value) ? value : {};
};

/** The objects of a list; none for what is no list. */
export const objectsAt = (json: Json, key: string): Json[] => {
  const value = json[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
};

/** `path` is keys with dots between them. */
export function numberAt(json: Json, path: string): number | null {
  const keys = path.split('.');
  const last = keys.pop() as string;
  const value = keys.reduce(objectAt, json)[last];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export const textAt = (json: Json, key: string): string | null => {
  const value = json[key];
  return typeof value === 'string' ? value : null;
};

export const textsAt = (json: Json, key: string): string[] => {
  const value = json[key];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
};

export type Kind = 'run' | 'search' | 'rfc2544';

/** What wrote the file; undefined if that was not --json. */
export function kindOf(json: unknown): Kind | undefined {
  if (!isObject(json)) return undefined;
  if (Array.isArray(json.rfc2544)) return 'rfc2544';
  if (Array.isArray(json.steps) && typeof json.search === 'string') return 'search';
  return typeof json.sent === 'number' && Array.isArray(json.streams) ? 'run' : undefined;
}
