// SPDX-License-Identifier: BSD-3-Clause
// The commands that start and stop single queues. A stream of a stopped queue does not run.
import type { Port } from '../../ethdev/port.ts';
import { hasRings } from '../ring-sizes.ts';
import type { Session } from '../session.ts';
import type { Role } from '../soft-port.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

const section = 'ports';
type Args = Readonly<Record<string, string>>;

export const queueCommands: readonly Command<Session>[] = [
  {
    pattern: 'port id=<id> what=rxq|txq queue=<u16> to=start|stop',
    section,
    help: 'Start or stop a queue of a started port, while nothing is forwarded.',
    run: startOrStop,
  },
  {
    pattern: 'port id=<id> what=rxq|txq queue=<u16> setup',
    section,
    help: 'Check that a queue may be set up, which is when it is stopped: it has no settings of its own.',
    run: setUp,
  },
  {
    pattern: 'port id=<id> what=rxq|txq queue=<u16> deferred_start to=on|off',
    section,
    help: 'Leave a queue stopped when its port starts, or not.',
    run: defer,
  },
  {
    pattern: 'port config id=<id> what=rxq|txq queue=<u16> ring_size size=<u16>',
    section,
    help: 'Set the number of descriptors of a queue of a port without rings (0: the default); a peer chooses its own.',
    run: setRingSize,
  },
];

function startOrStop(session: Session, { id, what, queue, to }: Args): void {
  if (session.forwarding.running) {
    session.output.complain('Please stop forwarding first');
    return;
  }
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  if (!port.started) session.output.complain(`Please start port ${id} first`);
  else if (hasQueue(session, port, what, queue))
    session.settings.soft.of(port).setStopped(roleOf(what), Number(queue), to === 'stop');
}

function setUp(session: Session, { id, what, queue }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  const kind = roleOf(what);
  if (!hasQueue(session, port, what, queue)) session.output.complain(`Invalid ${kind} queue`);
  else if (port.started && !session.settings.soft.of(port).isStopped(kind, Number(queue)))
    session.output.complain(`Failed to setup ${kind.toUpperCase()} queue`);
}

function defer(session: Session, { id, what, queue, to }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return;
  if (port.started) session.output.complain(`Please stop port ${id} first`);
  else if (hasQueue(session, port, what, queue))
    session.settings.soft.of(port).setDeferred(roleOf(what), Number(queue), to === 'on');
}

function setRingSize(session: Session, { id, what, queue, size }: Args): void {
  const [port] = portsNamed(session, id) ?? [];
  if (!port || !hasQueue(session, port, what, queue)) return;
  if (hasRings(port)) session.output.complain(`the peer of port ${port.id} chooses its ring sizes`);
  else session.settings.soft.of(port).ringSizes[roleOf(what)].set(Number(queue), Number(size));
}

const roleOf = (what: string): Role => (what === 'rxq' ? 'rx' : 'tx');

function hasQueue({ output, ports }: Session, port: Port, what: string, queue: string): boolean {
  const count = ports.queues(port, roleOf(what));
  if (Number(queue) < count) return true;
  const kind = roleOf(what).toUpperCase();
  output.complain(`Invalid ${kind} queue ${Number(queue)} (must be < nb_${what}=${count})`);
  return false;
}
