// SPDX-License-Identifier: BSD-3-Clause
// The commands about queues and offloads of ports.
import type { Port } from '../../ethdev/port.ts';
import { OFFLOAD_NAMES, offloadsOf } from '../port-offloads.ts';
import { ringSize } from '../ring-sizes.ts';
import type { Session } from '../session.ts';
import type { Role } from '../soft-port.ts';
import { offloadCapabilitiesText, offloadConfigurationText, queueInfoText } from '../text/queue-text.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

type Args = Readonly<Record<string, string>>;

const SET = 'Turn an offload on or off; what a port does by itself is always on.';

export const offloadCommands: readonly Command<Session>[] = [
  {
    pattern: 'show what=rxq|txq info id=<id> queue=<u16>',
    section: 'display',
    help: 'Display a queue.',
    run: showQueue,
  },
  {
    pattern: 'show port id=<id> what=rx_offload|tx_offload which=capabilities|configuration',
    section: 'display',
    help: 'Display the offloads of a port.',
    run: showOffloads,
  },
  ...(['rx', 'tx'] as const).flatMap((role) => {
    const names = `name=all|${OFFLOAD_NAMES[role].join('|')} to=on|off`;
    const run = (session: Session, args: Args) => setOffload(session, role, args);
    return [
      { pattern: `port config id=<port> ${role}_offload ${names}`, section: 'ports', help: SET, run },
      {
        pattern: `port id=<id> ${role}q queue=<u16> ${role}_offload ${names}`,
        section: 'ports',
        help: SET,
        run,
      },
    ];
  }),
];

function showQueue(session: Session, { what, id, queue }: Args): void {
  const role = what === 'rxq' ? 'rx' : 'tx';
  const port = session.ports.open.find((candidate) => candidate.id === Number(id));
  const queues = port ? session.ports.queues(port, role) : 0;
  if (port && Number(queue) < queues) {
    const soft = session.settings.soft.of(port);
    const state = {
      started: port.started && !soft.isStopped(role, Number(queue)),
      deferred: soft.isDeferred(role, Number(queue)),
      descriptors: ringSize(session.settings, port, role, Number(queue)),
    };
    session.output.print(queueInfoText(port, role, Number(queue), state));
    return;
  }
  const named = role === 'rx' ? 'Rx' : 'Tx';
  session.output.complain(
    [
      port ? `Invalid ${named} queue_id=${queue}` : `Invalid port_id=${id}`,
      `Failed to retrieve information for port: ${id}, ${role.toUpperCase()} queue: ${queue}`,
      `error desc: ${port ? 'Invalid argument(-22)' : 'No such device(-19)'}`,
    ].join('\n'),
  );
}

function showOffloads(session: Session, { id, what, which }: Args): void {
  const port = session.ports.open.find((candidate) => candidate.id === Number(id));
  if (!port) {
    session.output.complain(
      `Invalid port_id=${id}\nError during getting device (port ${id}) info: No such device`,
    );
    return;
  }
  const text = which === 'capabilities' ? offloadCapabilitiesText : offloadConfigurationText;
  const role = what === 'rx_offload' ? 'rx' : 'tx';
  session.output.print(text(port, role, offloadsOf(session.settings, port, role)));
}

/** A form for a queue sets only what is a queue's: that of the whole port is refused. */
function setOffload(session: Session, role: Role, { id, queue, name, to }: Args): void {
  for (const port of portsNamed(session, id) ?? []) {
    if (port.started)
      session.output.complain(`Error: Can't config offload when Port ${port.id} is not stopped`);
    else set(session, port, role, { name, on: to === 'on', ofQueue: queue !== undefined });
  }
}

interface Wish {
  readonly name: string;
  readonly on: boolean;
  readonly ofQueue: boolean;
}

function set(session: Session, port: Port, role: Role, { name, on, ofQueue }: Wish): void {
  const { settings, output } = session;
  const named = offloadsOf(settings, port, role).filter(
    (offload) => name === 'all' || offload.name === name.toUpperCase(),
  );
  const kind = ofQueue ? 'per queue offload' : 'offload';
  if (named.length === 0 && on) output.complain(`Error: port ${port.id} doesn't support ${kind}: ${name}.`);
  for (const offload of named) {
    if (offload.set && ofQueue && name !== 'all')
      output.complain(`Error: port ${port.id} doesn't support ${kind}: ${name}.`);
    else if (offload.set && !ofQueue) offload.set(on);
    session.ports.changed([port]);
  }
  if (!on && named.some((offload) => !offload.set))
    output.complain(`Error: port ${port.id} cannot turn ${name} off`);
}
