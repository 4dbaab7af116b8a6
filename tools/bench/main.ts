#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-bench: one subcommand per suite. Progress goes to stderr, the table to stdout.
import { packageVersion } from '../../src/package-root.ts';
import { newCommand } from '../run/command.ts';
import { onOutputEnd, printed, tell } from '../run/output.ts';
import { exitOnSignals } from '../run/workspace.ts';
import { SUITES } from './suites/table.ts';

const NAME = 'vhost-pci-bench';

const program = newCommand(NAME)
  .version(`${NAME} ${packageVersion()}`)
  .description(
    'Packets per second, one core on each side, measured at the peer: the same instrument for every back-end.',
  );
for (const suite of SUITES) suite.addTo(program);

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
