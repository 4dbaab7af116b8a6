// SPDX-License-Identifier: BSD-3-Clause
// npm run prebuilds: program.ts has it.
import { runProgram } from '../../src/entry.ts';

await runProgram('npm run prebuilds', () => import('./program.ts'));
