#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-devbind: program.ts has it.
import { runProgram } from '../../src/entry.ts';

await runProgram('vhost-pci-devbind', () => import('./program.ts'));
