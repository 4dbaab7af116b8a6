// SPDX-License-Identifier: BSD-3-Clause
// write-megabyte.ts FILE: writes a file of a MiB; a failure is its line of standard error, and status 1.
import { writeWhole } from '../../tools/run/whole-file.ts';

try {
  writeWhole(process.argv[2] as string, 'x'.repeat(1 << 20));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
