#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// npm run vm: program.ts has it.
import { runProgram } from '../../src/entry.ts';

await runProgram('npm run vm', () => import('./program.ts'));
