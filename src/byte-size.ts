// SPDX-License-Identifier: BSD-3-Clause
// Memory sizes as users write and read them: 512M, 8G, 1T, or bytes.

const UNITS = ['', 'K', 'M', 'G', 'T'] as const;

/** Bytes; null if `text` is not a size or exceeds 2^53 - 1. */
export function parseByteSize(text: string): number | null {
  const [, digits, unit = ''] = /^(\d+|0x[0-9a-f]+)([KMGT]?)$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  const bytes = Number(digits) * 1024 ** UNITS.indexOf(unit.toUpperCase() as (typeof UNITS)[number]);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/**
 * As a user would write it. Long numbers are rounded up to a larger unit, so that the result is sufficient as
 * an option.
 */
export function formatByteSize(bytes: number): string {
  for (let power = UNITS.length - 1; power > 0; power--) {
    const unit = 1024 ** power;
    if (bytes >= 16 * unit || (bytes >= unit && bytes % unit === 0)) {
      return `${Math.ceil(bytes / unit)}${UNITS[power]}`;
    }
  }
  return String(bytes);
}
