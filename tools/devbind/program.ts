// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-devbind: the command line of run.ts on this machine.
import { exitProcess } from '../../src/process-end.ts';
import { REAL_PLACES } from './places.ts';
import { run } from './run.ts';

const EXIT_FAILURE = 1;

const report = (line: string) => void process.stderr.write(`${line}\n`);

// A reader that exits early, such as `| head`, is not a failure; an earlier failure remains one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.exitCode ||= EXIT_FAILURE;
  report(`vhost-pci-devbind: stdout: output is lost: ${error.message}`);
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exitCode ||= EXIT_FAILURE;
});
// Not at once: what an output lost shows later.
process.once('beforeExit', () => exitProcess());
process.exitCode = run(process.argv.slice(2), REAL_PLACES, {
  print: (text) => process.stdout.write(text),
  report,
});
