#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// `npm start`: packets in both directions between a virtio-net driver and the PMD for ten seconds, shown
// live, with the contents checked. No root, no hugepages, nothing to install. Exit code 0 when the check
// passed.
import { onOutputEnd, print, printed, tell } from '../run/output.ts';
import { exitOnSignals, Workspace } from '../run/workspace.ts';
import { runDemo } from './demo.ts';
import { command } from './options.ts';

const options = command.parse().opts();

// At the prompt, Ctrl-C belongs to testpmd; this process ends when testpmd does.
if (options.interactive) process.on('SIGINT', () => {});
exitOnSignals(options.interactive ? ['SIGTERM', 'SIGHUP'] : undefined);
onOutputEnd(() => process.exit(0));
try {
  await runDemo(options, new Workspace(), print);
  await printed();
  process.exit(0);
} catch (error) {
  tell(`npm start: ${(error as Error).message}`);
  process.exit(1);
}
