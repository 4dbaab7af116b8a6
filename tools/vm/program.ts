// SPDX-License-Identifier: BSD-3-Clause
// `npm run vm`: two virtual machines with the vhost-pci function between them, and a shell in each for the
// user.
import { PmdError } from '../../src/errors.ts';
import { exitProcess } from '../../src/process-end.ts';
import { wholeNumber } from '../run/arguments.ts';
import { newCommand } from '../run/command.ts';
import { exitOnSignals } from '../run/workspace.ts';
import { noDebianReason } from './debian.ts';
import type { Machine } from './machine.ts';
import { FUNCTION_ADDRESS } from './qemu.ts';
import { Rig } from './rig.ts';
import { consoleCommand, logsOf, sayAtExit, showInTmux, tmuxUsable } from './terminals.ts';

const EXIT_FAILURE = 1;
/** As many as the device model takes. */
const MAX_QUEUE_PAIRS = 128;
const DAY_MS = 24 * 3600 * 1000;

const command = newCommand('npm run vm', 'npm run vm --')
  .description(
    'Starts two virtual machines with a vhost-pci function between them, and a shell in each; no root.',
  )
  .option('--uio', 'VM1 has no IOMMU; its function is bound to uio_pci_generic', false)
  .option(
    '--queues <n>',
    `queue pairs of the function, 1 to ${MAX_QUEUE_PAIRS}`,
    wholeNumber(1, MAX_QUEUE_PAIRS),
    1,
  )
  .option('--no-tmux', 'print the commands that attach to the consoles, instead of using tmux')
  .option('--check', 'start both machines, print the next steps, and exit', false)
  .addHelpText(
    'after',
    '\nThe first run downloads and builds the images, which takes minutes. Ctrl-C ends\nboth machines. docs/vm-rig.md has the requirements.',
  );

main().then(
  () => exitProcess(),
  (error: unknown) => {
    const text = error instanceof PmdError ? error.message : String((error as Error).stack);
    process.stderr.write(`npm run vm: ${text}\n`);
    exitProcess(EXIT_FAILURE);
  },
);

async function main(): Promise<void> {
  const options = command.parse().opts();
  exitOnSignals();
  const reason = noDebianReason();
  if (reason) throw new PmdError('VPCI_RIG', reason);
  const rig = await Rig.prepare({ say, maxRunMs: DAY_MS });
  sayAtExit(`The machines have ended; ${logsOf(rig.logs)}`);
  try {
    await rig.startDevice('--queues', `${options.queues}`);
    say('Starting VM2, the peer');
    const peer = await rig.startPeer();
    say('Starting VM1, which runs the PMD');
    const guest = await rig.startPmdGuest({ iommu: !options.uio });
    await bindFunction(guest, options.uio ? 'uio_pci_generic' : 'vfio-pci');
    say(introduction(rig));
    if (!options.check) await showConsoles(guest, peer, options.tmux);
  } finally {
    await rig.stop();
  }
}

/** Binds the function to a kernel driver that exposes it to the PMD. */
async function bindFunction(guest: Machine, driver: string): Promise<void> {
  if (driver === 'uio_pci_generic') await guest.run('echo 16 >/proc/sys/vm/nr_hugepages');
  await guest.run(`vhost-pci-devbind --bind=${driver} ${FUNCTION_ADDRESS}`);
}

/** The first commands for the user in VM1. */
const IN_VM1 = [
  "Start the driver; it then answers VM2's pings:",
  `  vhost-pci-testpmd -l 0,1 --no-huge -a ${FUNCTION_ADDRESS} -- -i --forward-mode=icmpecho --auto-start`,
];
/** The commands for VM2 after that. */
const IN_VM2 = [
  "When VM1's driver shows its prompt:",
  '  ip address add 10.0.0.2/24 dev eth0; ip link set eth0 up',
  '  ping -c 3 10.0.0.1',
];

function introduction(rig: Rig): string {
  return [
    '',
    `VM1 has the function at ${FUNCTION_ADDRESS}, bound and ready; VM2 has eth0.`,
    `VM1: ${IN_VM1.join('\n')}`,
    `VM2: ${IN_VM2.join('\n')}`,
    `See the ${logsOf(rig.logs)}`,
    '',
  ].join('\n');
}

async function showConsoles(guest: Machine, peer: Machine, tmux: boolean): Promise<void> {
  const panes = [
    { machine: guest, hint: IN_VM1 },
    { machine: peer, hint: IN_VM2 },
  ];
  if (tmux && tmuxUsable()) return showInTmux(panes, DAY_MS);
  say(
    'Run each of these commands in a terminal of its own to get a console; Ctrl-C here ends both machines:',
  );
  for (const { machine } of panes) say(`  ${consoleCommand(machine).join(' ')}`);
  await Promise.race(panes.map(({ machine }) => machine.qemu.ended(DAY_MS)));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
