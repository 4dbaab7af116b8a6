// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench: one subcommand per suite. Progress goes to stderr, the table to stdout.
import { packageVersion } from '../../src/package-root.ts';
import { exitProcess } from '../../src/process-end.ts';
import { errorLine, newCommand } from '../run/command.ts';
import { exitStatusOf } from '../run/exit-status.ts';
import { onOutputEnd, printed, tell } from '../run/output.ts';
import { exitOnSignals, heardSignals } from '../run/workspace.ts';
import { interrupt } from './interruption.ts';
import { addReport } from './suites/report.ts';
import { SUITES } from './suites/table.ts';

const NAME = 'vhost-pci-bench';

const program = newCommand(NAME)
  .version(`${NAME} ${packageVersion()}`)
  .helpCommand('help [command]', 'show the help of a command')
  .description(
    'Compares this driver with others, one core on each side. All rates are counted by the peer, the same for every back-end. The two sides take turns in slices of a fifth of a second; a ratio is the median of the ratios of adjacent slices, so it may differ from that of the rates, in which a disturbed slice counts in full.',
  )
  .addHelpText(
    'after',
    `
Example: against DPDK's net_vhost, then without DPDK
  ${NAME} loopback --cases rx,tx --sizes 64
  ${NAME} in-place --peer builtin --rounds 1

Progress goes to stderr, the table to stdout. Exit status: 0 when all has been
measured, 1 on failure, 2 for a wrong option.`,
  );

/** The command of the suite that was asked for. */
const suiteCommand = () => program.commands.find((command) => command.name() === program.args[0]);

// Before the suites are added: subcommands inherit it.
program.configureOutput({
  outputError: (text, write) => write(errorLine(NAME, text, suiteCommand() ?? program)),
});
for (const suite of SUITES) suite.addTo(program);
addReport(program);
// Commander prints the whole help for a command that it does not know.
const [first, wanted] = process.argv.slice(2);
if (
  first === 'help' &&
  wanted !== undefined &&
  wanted !== 'help' &&
  !program.commands.some((c) => c.name() === wanted)
)
  program.error(`unknown command '${wanted}'`);

exitOnSignals(undefined, interrupt);
// Figures that standard output does not take go elsewhere.
onOutputEnd();
try {
  await program.parseAsync();
  await printed();
  exitProcess();
} catch (error) {
  // A signal that ended the wait for a device ends the program.
  await heardSignals();
  tell(`${NAME}: ${(error as Error).message}`);
  exitProcess(exitStatusOf(error));
}
