// SPDX-License-Identifier: BSD-3-Clause
// The flow rules of a port: in which order they are tried and listed.
import type { ParsedFlow } from './flow-syntax.ts';

export interface Flow extends ParsedFlow {
  readonly id: number;
}

/** Adds a rule; returns its id, one more than the highest. Rules are kept in the order of their use. */
export function addFlow(flows: Flow[], parsed: ParsedFlow): number {
  const id = Math.max(-1, ...flows.map((flow) => flow.id)) + 1;
  flows.push({ ...parsed, id });
  flows.sort((a, b) => a.priority - b.priority || a.id - b.id);
  return id;
}

/** `flow list`: a heading and a line for each rule. */
export function flowListText(flows: readonly Flow[]): string {
  const lines = flows.map(
    ({ id, group, priority, items, actions }) =>
      `${id}\t${group}\t${priority}\ti--\t${items.map((item) => `${item} `).join('')}=> ${actions.join(' ')}`,
  );
  return ['ID\tGroup\tPrio\tAttr\tRule', ...lines].join('\n');
}
