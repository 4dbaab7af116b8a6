// SPDX-License-Identifier: BSD-3-Clause
// The ports that a command names, or the complaint that there is no such port.
import type { Port } from '../../ethdev/port.ts';
import type { Session } from '../session.ts';

/** Ports of "all" or an id; null when the id is none, after the complaint. */
export function portsNamed(session: Session, id: string): Port[] | null {
  if (id === 'all') return session.ports.open;
  const port = session.ports.open.find((candidate) => candidate.id === Number(id));
  if (port) return [port];
  session.output.complain(`Invalid port ${id}`);
  return null;
}

/** The same for `show` and `clear`, which also list the ports that there are. */
export function shownPorts(session: Session, id: string): Port[] | null {
  const found = portsNamed(session, id);
  if (!found) {
    const valid = session.ports.open.map((port) => `${port.id} `).join('');
    session.output.print(`The valid ports array is [ ${valid}]`);
  }
  return found;
}
