// SPDX-License-Identifier: BSD-3-Clause
// `npm start`: packets in both directions between a virtio-net driver and the PMD for ten seconds, shown
// live, with the contents checked. No root, no hugepages, nothing to install. Exit code 0 when the check
// passed, 130 when Ctrl-C ended it.
import { exitProcess } from '../../src/process-end.ts';
import { onOutputEnd, print, printed, tell } from '../run/output.ts';
import { EXIT_CODES, exitOnSignals, Workspace } from '../run/workspace.ts';
import { runDemo } from './demo.ts';
import { parseOptions } from './options.ts';

const options = parseOptions();

// At the prompt, Ctrl-C belongs to testpmd; this process ends when testpmd does. While packets flow, it asks
// for the totals, which come within seconds; another one changes nothing, because npm passes on to us what
// the terminal has sent us as well.
const exit = () => exitProcess(EXIT_CODES.SIGINT);
let interrupt = options.interactive ? () => {} : exit;
let interrupted = false;
process.on('SIGINT', () => interrupt());
exitOnSignals(['SIGTERM', 'SIGHUP']);
onOutputEnd(() => exitProcess(0));
try {
  await runDemo(options, new Workspace(), print, (finish) => {
    interrupt = () => {
      interrupt = () => {};
      interrupted = true;
      finish();
    };
  });
  await printed();
  exitProcess(interrupted ? EXIT_CODES.SIGINT : 0);
} catch (error) {
  tell(`npm start: ${(error as Error).message}`);
  exitProcess(1);
}
