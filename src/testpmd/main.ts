#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-testpmd: program.ts has it.
import { runProgram } from '../entry.ts';

await runProgram('vhost-pci-testpmd', () => import('./program.ts'));
