// SPDX-License-Identifier: BSD-3-Clause
// npm run matrix: program.ts has it.
import { runProgram } from '../../src/entry.ts';

await runProgram('npm run matrix', () => import('./program.ts'));
