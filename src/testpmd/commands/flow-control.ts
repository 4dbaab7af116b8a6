// SPDX-License-Identifier: BSD-3-Clause
// Flow control, which no port here has: it is shown as off, may be set to that, and is refused otherwise, as
// by DPDK's net_tap.
import type { Session } from '../session.ts';
import type { Command } from './grammar.ts';
import { portsNamed } from './ports-named.ts';

type Args = Readonly<Record<string, string>>;

const STARS = '*'.repeat(21);
const section = 'config';
const help = 'Flow control: ports have none, so it may only be turned off.';

export const flowControlCommands: readonly Command<Session>[] = [
  {
    pattern: 'show port id=<id> flow_ctrl',
    section: 'display',
    help: 'Display flow control, which ports do not have.',
    run: show,
  },
  ...[
    'rx|tx rx=on|off id=<id>',
    'rx rx=on|off tx tx=on|off <uint> <uint> <u16> <u16> mac_ctrl_frame_fwd on|off autoneg on|off id=<id>',
  ].map((form) => ({ pattern: `set flow_ctrl ${form}`, section, help, run: set })),
];

function show(session: Session, { id }: Args): void {
  if (!portsNamed(session, id)) return;
  const lines = [
    `\n${STARS} Flow control infos for port ${id.padEnd(2)} ${STARS}`,
    'FC mode:\n   Rx pause: off\n   Tx pause: off',
    'Autoneg: off\nPause time: 0x0\nHigh waterline: 0x0\nLow waterline: 0x0\nSend XON: off',
    'Forward MAC control frames: off',
    `\n${STARS}**************   End  ***********${STARS}`,
  ];
  session.output.print(lines.join('\n'));
}

function set(session: Session, { id, rx, tx }: Args): void {
  if (!portsNamed(session, id)) return;
  if (rx === 'on' || tx === 'on') session.output.complain('bad flow control parameter, return code = -95');
}
