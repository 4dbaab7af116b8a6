// SPDX-License-Identifier: BSD-3-Clause
// The commands about flow rules, which software applies to received packets.
import type { Port } from '../../ethdev/port.ts';
import { ruleHits } from '../../offload/flow-rule.ts';
import { FlowError, FlowSyntaxError } from '../flow-error.ts';
import { type ParsedFlow, parseFlow } from '../flow-syntax.ts';
import { addFlow, flowListText } from '../flow-table.ts';
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'filters';
type Args = Readonly<Record<string, string>>;

export const flowCommands: readonly Command<Session>[] = [
  {
    pattern: 'flow what=validate|create id=<id> rule=<rest>',
    section,
    help: 'Check or add a rule: ingress pattern eth / ipv4 src is A / udp / end actions queue index Q / end.',
    run: create,
  },
  { pattern: 'flow destroy id=<id> rule rules=<rest>', section, help: 'Remove rules.', run: destroy },
  { pattern: 'flow flush id=<id>', section, help: 'Remove all rules of a port.', run: flush },
  {
    pattern: 'flow query id=<id> rule=<uint> action=<text>',
    section,
    help: 'Display what a rule with action count has counted.',
    run: query,
  },
  {
    pattern: 'flow list id=<id> [groups=<rest>]',
    section,
    help: 'Display the rules of a port, or of some groups, in their order.',
    run: list,
  },
];

function flowsOf({ settings }: Session, port: Port) {
  return settings.soft.of(port).flows;
}

async function create(session: Session, { what, id, rule }: Args): Promise<void> {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const parsed = parsedFlow(session, rule);
  if (parsed === null) return;
  if (what === 'validate') {
    session.output.print('Flow rule validated');
    return;
  }
  const added = addFlow(flowsOf(session, port), parsed);
  await session.forwarding.apply();
  session.output.print(`Flow rule #${added} created`);
}

/** Prints why there is none. */
function parsedFlow({ settings, output }: Session, text: string): ParsedFlow | null {
  try {
    return parseFlow(text, settings.rxQueues);
  } catch (error) {
    if (error instanceof FlowSyntaxError) output.print(error.message);
    else if (error instanceof FlowError) output.complain(error.message);
    else throw error;
    return null;
  }
}

async function destroy(session: Session, { id, rules }: Args): Promise<void> {
  const words = rules.split(/\s+/);
  const ids = words.filter((_, i) => i % 2 === 0).map(Number);
  if (
    ids.some((rule) => !Number.isInteger(rule)) ||
    words.some((word, i) => i % 2 === 1 && word !== 'rule')
  ) {
    session.output.print('Bad arguments');
    return;
  }
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const flows = flowsOf(session, port);
  for (const rule of ids) {
    const at = flows.findIndex((flow) => flow.id === rule);
    if (at < 0) continue;
    flows.splice(at, 1);
    session.output.print(`Flow rule #${rule} destroyed`);
  }
  await session.forwarding.apply();
}

async function flush(session: Session, { id }: Args): Promise<void> {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  flowsOf(session, port).length = 0;
  await session.forwarding.apply();
}

function query(session: Session, { id, rule, action }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const flow = flowsOf(session, port).find((candidate) => candidate.id === Number(rule));
  if (!flow) session.output.complain(`Flow rule #${rule} not found`);
  else if (action !== 'count') session.output.complain(`Cannot query action type (${action.toUpperCase()})`);
  else if (!flow.rule.actions.count)
    session.output.complain(new FlowError('specific action', 'the rule does not count').message);
  else {
    const { hits, bytes } = ruleHits(flow.rule);
    session.output.print(
      ['COUNT:', ' hits_set: 1', ' bytes_set: 1', ` hits: ${hits}`, ` bytes: ${bytes}`].join('\n'),
    );
  }
}

function list(session: Session, { id, groups }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const wanted = groups?.split(/\s+/).filter((word) => word !== 'group');
  const all = flowsOf(session, port);
  const flows = all.filter(({ group }) => wanted === undefined || wanted.includes(String(group)));
  if (all.length > 0) session.output.print(flowListText(flows));
}
