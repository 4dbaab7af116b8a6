#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-devbind: the command line of run.ts on this machine.
import { REAL_PLACES } from './places.ts';
import { run } from './run.ts';

process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = run(process.argv.slice(2), REAL_PLACES, {
  print: (text) => process.stdout.write(text),
  tell: (line) => process.stderr.write(`${line}\n`),
});
