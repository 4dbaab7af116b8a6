// SPDX-License-Identifier: BSD-3-Clause
// Figures of one run, or of two with their ratios, as tables.
import type { HtmlTable } from '../../charts/page.ts';
import type { Json } from './json.ts';

/** What charts and tables call the two runs. */
export const [NOW, THEN] = ['this run', 'earlier'];

export interface Figure {
  readonly name: string;
  /** Null if it is not known. */
  of(json: Json): number | null;
  text(value: number): string;
}

export const shown = (value: number | null, text: (value: number) => string): string =>
  value === null ? '-' : text(value);

/** Three digits after the point at most; '-' where one of the two is not known, or the earlier is 0. */
export function ratioText(now: number | null, then: number | null): string {
  if (now === null || then === null || then === 0) return '-';
  const ratio = now / then;
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(ratio >= 1 ? 2 : 3);
}

/** A row for each figure that one of the runs has. */
export function figureTable(figures: readonly Figure[], now: Json, then: Json | undefined): HtmlTable {
  const rows = figures.flatMap(({ name, of, text }) => {
    const [own, other] = [of(now), then === undefined ? null : of(then)];
    if (own === null && other === null) return [];
    const compared = then === undefined ? [] : [shown(other, text), ratioText(own, other)];
    return [[name, shown(own, text), ...compared]];
  });
  return { head: then === undefined ? ['', NOW] : ['', NOW, THEN, 'ratio'], rows };
}

/** A unit in which the largest of these rates is easily read. */
export function rateUnit(most: number): { readonly unit: string; readonly scale: number } {
  if (most >= 1e6) return { unit: 'Mpps', scale: 1e6 };
  return most >= 1e3 ? { unit: 'kpps', scale: 1e3 } : { unit: 'pps', scale: 1 };
}
