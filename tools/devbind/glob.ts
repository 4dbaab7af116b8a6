// SPDX-License-Identifier: BSD-3-Clause
// Shell patterns, matched in time proportional to the lengths of pattern and text multiplied; a regular
// expression could backtrack without bound.

/** One element of a pattern: any text, or a predicate for one character. */
type Part = '*' | ((char: string) => boolean);

export interface Glob {
  matches(text: string): boolean;
}

/**
 * Supports `*`, `?` and sets such as [0-3] or [!0]. As in the shell, an unclosed bracket stands for itself.
 */
export function parseGlob(pattern: string): Glob {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; ) {
    const [set, negated, members = ''] = /^\[([!^]?)(\]?[^\]]*)\]/.exec(pattern.slice(at)) ?? [];
    const char = pattern[at] as string;
    if (set !== undefined) parts.push(oneOf(members, negated !== ''));
    else if (char === '?') parts.push(() => true);
    else if (char !== '*') parts.push((other) => other === char);
    else if (parts.at(-1) !== '*') parts.push('*');
    at += set?.length ?? 1;
  }
  return { matches: (text) => matches(parts, text) };
}

/** A reversed range such as [z-a] is empty. */
function oneOf(members: string, negated: boolean): (char: string) => boolean {
  return (char) => {
    let found = false;
    for (let i = 0; i < members.length; i++) {
      const first = members[i] as string;
      const ranged = members[i + 1] === '-' && i + 2 < members.length;
      const last = ranged ? (members[i + 2] as string) : first;
      if (ranged) i += 2;
      found ||= char >= first && char <= last;
    }
    return found !== negated;
  };
}

/** Backtracks only to the last `*`, which suffices: retrying an earlier one could not help a later one. */
function matches(parts: readonly Part[], text: string): boolean {
  let [part, at, star, from] = [0, 0, -1, 0];
  while (at < text.length) {
    const wanted = parts[part];
    if (wanted === '*') {
      star = part++;
      from = at;
    } else if (wanted?.(text[at] as string)) {
      part++;
      at++;
    } else if (star >= 0) {
      part = star + 1;
      at = ++from;
    } else return false;
  }
  return parts.slice(part).every((left) => left === '*');
}
