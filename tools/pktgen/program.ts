// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-pktgen: the packet generator as a command.
import { oneLine, type PmdError } from '../../src/errors.ts';
import { exitProcess } from '../../src/process-end.ts';
import { setWarningSink } from '../../src/warnings.ts';
import { onOutputEnd, printed, tell } from '../run/output.ts';
import { parseOptions } from './command-line.ts';
import { Interrupt } from './interrupt.ts';
import { reflects, searches } from './modes.ts';
import { runReflector } from './reflect.ts';
import { run } from './run.ts';
import { runSearch } from './run-search.ts';
import { runWatch } from './watch.ts';

setWarningSink(({ message }) => tell(oneLine(`vhost-pci-pktgen: ${message}`)));
/** The end of this process is ours. */
let isDone = false;
let interrupt: Interrupt | undefined;
try {
  const options = parseOptions();
  interrupt = new Interrupt();
  if (options.streams !== undefined) failIfEndedBy(options.streams);
  onOutputEnd(() => interrupt?.raise());
  const generates = searches(options) ? runSearch : run;
  const whole = reflects(options) ? runReflector : generates;
  const code = await (options.watch === undefined ? whole : runWatch)(options, interrupt);
  await printed();
  isDone = true;
  exitProcess(code);
} catch (error) {
  tell(oneLine(`vhost-pci-pktgen: ${(error as Error).message}`));
  exitProcess(((error as PmdError).code === 'EINTR' && interrupt?.status) || 1);
}

/** A module of streams may end the process: whoever sees status 0 would take the run as done. */
function failIfEndedBy(file: string): void {
  process.once('exit', (code) => {
    if (isDone || code !== 0) return;
    process.exitCode = 1;
    tell(oneLine(`vhost-pci-pktgen: ${file}: it ended the process`));
  });
}
