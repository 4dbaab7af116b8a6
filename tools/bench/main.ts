#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench: one subcommand per suite. Progress goes to stderr, the table to stdout.
import { Command } from '@commander-js/extra-typings';
import { onOutputEnd, printed, tell } from '../run/output.ts';
import { usageErrors } from '../run/usage-errors.ts';
import { exitOnSignals } from '../run/workspace.ts';
import { SUITES } from './suites/table.ts';

const NAME = 'vhost-pci-bench';

const program = new Command(NAME)
  .description(
    'Packets per second, one core on each side, measured at the peer: the same instrument for every back-end.',
  )
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
// Before the suites are added: subcommands inherit it.
program.configureOutput(usageErrors(NAME, () => suiteCommand() ?? program));
for (const suite of SUITES) suite.addTo(program);

/** The command of the suite that was asked for. */
const suiteCommand = () => program.commands.find((command) => command.name() === program.args[0]);

exitOnSignals();
onOutputEnd(() => process.exit(0));
try {
  await program.parseAsync();
  await printed();
  process.exit(0);
} catch (error) {
  tell(`${NAME}: ${(error as Error).message}`);
  process.exit(1);
}
