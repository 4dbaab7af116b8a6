#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// npm start: program.ts has it.
import { runProgram } from '../../src/entry.ts';

await runProgram('npm start', () => import('./program.ts'));
