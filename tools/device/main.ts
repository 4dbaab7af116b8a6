#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-device: program.ts has it.
import { runProgram } from '../../src/entry.ts';

await runProgram('vhost-pci-device', () => import('./program.ts'));
