// SPDX-License-Identifier: BSD-3-Clause
// The commands about what reaches a port: its addresses, promiscuous and allmulticast mode, and its link. A
// port is promiscuous until it is told otherwise, and then software drops what is not for it.
import { macBytes } from '../../packet/mac.ts';
import type { Session } from '../session.ts';
import { MAX_MACS, type SoftPort } from '../soft-port.ts';
import type { Command } from './grammar.ts';
import { portsNamed, shownPorts } from './ports-named.ts';

const section = 'config';
type Args = Readonly<Record<string, string>>;

const NULL_MAC = '00:00:00:00:00:00';

export const addressCommands: readonly Command<Session>[] = [
  {
    pattern: 'set promisc id=<port> to=on|off',
    section,
    help: 'Set promiscuous mode; without, packets for other addresses are dropped.',
    run: (session, { id, to }) => setModes(session, id, { promiscuous: to === 'on' }),
  },
  {
    pattern: 'set allmulti id=<port> to=on|off',
    section,
    help: 'Set allmulticast mode; without, and not promiscuous, other multicast packets are dropped.',
    run: (session, { id, to }) => setModes(session, id, { allmulticast: to === 'on' }),
  },
  {
    pattern: 'mac_addr what=add|remove|set id=<id> mac=<mac>',
    section,
    help: 'Add or remove an address of a port, or set its first.',
    run: changeMac,
  },
  {
    pattern: 'mcast_addr what=add|remove id=<id> mac=<mac>',
    section,
    help: 'Receive a multicast address, or no more.',
    run: changeMulticast,
  },
  {
    pattern: 'mcast_addr flush id=<id>',
    section,
    help: 'Receive no multicast address any more.',
    run: flushMulticast,
  },
  {
    pattern: 'set link-up port id=<id>',
    section,
    help: 'Take the link up again.',
    run: (session, { id }) => setLink(session, id, true),
  },
  {
    pattern: 'set link-down port id=<id>',
    section,
    help: 'Take the link down, of a port whose driver can tell its far side: net_tap.',
    run: (session, { id }) => setLink(session, id, false),
  },
  {
    pattern: 'show port id=<id> macs',
    section: 'display',
    help: 'Display the addresses of a port.',
    run: (session, { id }) => {
      for (const port of shownPorts(session, id) ?? []) {
        const { soft } = session.settings;
        list(session, 'MAC address', [soft.macOf(port).toUpperCase(), ...soft.of(port).macs]);
      }
    },
  },
  {
    pattern: 'show port id=<id> mcast_macs',
    section: 'display',
    help: 'Display the multicast addresses of a port.',
    run: (session, { id }) => {
      for (const port of shownPorts(session, id) ?? [])
        list(session, 'Multicast MAC address', [...session.settings.soft.of(port).multicast]);
    },
  },
];

function list({ output }: Session, what: string, macs: readonly string[]): void {
  output.print([`Number of ${what} added: ${macs.length}`, ...macs.map((mac) => `  ${mac}`)].join('\n'));
}

type Modes = Partial<Pick<SoftPort, 'promiscuous' | 'allmulticast'>>;

function setModes(session: Session, id: string, modes: Modes): Promise<void> | undefined {
  const ports = portsNamed(session, id);
  for (const port of ports ?? []) Object.assign(session.settings.soft.of(port), modes);
  return ports ? session.forwarding.apply() : undefined;
}

function setLink(session: Session, id: string, up: boolean): void {
  for (const port of portsNamed(session, id) ?? []) {
    try {
      if (!port.setLink) throw new RangeError('ENOTSUP');
      port.setLink(up);
    } catch {
      session.output.complain(`\nSet link ${up ? 'up' : 'down'} fail.`);
    }
  }
}

const isMulticast = (mac: string) => ((macBytes(mac)[0] ?? 0) & 1) === 1;

function changeMac(session: Session, { what, id, mac }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  const fault = changed(session.settings.soft.of(port), port.info.mac.toUpperCase(), what, mac.toUpperCase());
  if (fault === null) return session.forwarding.apply();
  session.output.complain(`mac_addr_cmd error: (${fault})`);
  return undefined;
}

/** What is wrong with a change of a port's addresses, in the words of its errno; null: it is made. */
function changed(soft: SoftPort, device: string, what: string, mac: string): string | null {
  const own = soft.mac ?? device;
  if (what === 'remove') {
    if (mac === own) return 'Address already in use';
    soft.macs.delete(mac);
    return null;
  }
  if (mac === NULL_MAC || (what === 'set' && isMulticast(mac))) return 'Invalid argument';
  if (what === 'set') {
    if (soft.macs.has(mac)) return 'File exists';
    soft.mac = mac;
    return null;
  }
  if (mac !== own && !soft.macs.has(mac) && soft.macs.size + 1 >= MAX_MACS) return 'No space left on device';
  if (mac !== own) soft.macs.add(mac);
  return null;
}

function changeMulticast(session: Session, { what, id, mac }: Args): Promise<void> | undefined {
  const address = mac.toUpperCase();
  if (!isMulticast(mac)) {
    session.output.complain(`Invalid multicast addr ${address}`);
    return undefined;
  }
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  const { multicast } = session.settings.soft.of(port);
  if (what === 'add' && multicast.has(address))
    session.output.complain('multicast address already filtered by port');
  else if (what === 'remove' && !multicast.has(address))
    session.output.complain(`multicast address not filtered by port ${id}`);
  else if (what === 'add') multicast.add(address);
  else multicast.delete(address);
  return session.forwarding.apply();
}

function flushMulticast(session: Session, { id }: Args): Promise<void> | undefined {
  const [port] = portsNamed(session, id) ?? [];
  if (!port) return undefined;
  session.settings.soft.of(port).multicast.clear();
  return session.forwarding.apply();
}
