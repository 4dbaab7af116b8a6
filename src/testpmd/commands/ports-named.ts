// SPDX-License-Identifier: BSD-3-Clause
// Resolves the ports that a command names.
import type { Port } from '../../ethdev/port.ts';
import type { Session } from '../session.ts';

/** The ports that "all" or an id stands for. Prints an error and returns null for an invalid id. */
export function portsNamed(session: Session, id: string): Port[] | null {
  if (id === 'all') return session.ports.open;
  const port = session.ports.open.find((candidate) => candidate.id === Number(id));
  if (port) return [port];
  session.output.complain(`Invalid port ${id}`);
  return null;
}

/** The same for `show` and `clear`, whose error also lists the valid ports. */
export function shownPorts(session: Session, id: string): Port[] | null {
  const found = portsNamed(session, id);
  if (!found) {
    const valid = session.ports.open.map((port) => `${port.id} `).join('');
    session.output.print(`The valid ports array is [ ${valid}]`);
  }
  return found;
}
