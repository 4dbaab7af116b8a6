// SPDX-License-Identifier: BSD-3-Clause
// The entry of a program: loads its modules, and says in one line where too few files may be open to do so.
// Node reads modules side by side, each through a descriptor of its own. Nothing else is imported here, so
// that this much loads whatever the limit.
import { writeSync } from 'node:fs';

const EXIT_FAILURE = 1;
const STDERR = 2;

/** RLIMIT_NOFILE, without opening a file. */
function openFiles(): number | string {
  const report = process.report.getReport() as unknown as {
    userLimits: { open_files: { soft: number | string } };
  };
  return report.userLimits.open_files.soft;
}

/** Runs the program `name`, which `load` imports. Exits with status 1 when too few files may be open. */
export async function runProgram(name: string, load: () => Promise<unknown>): Promise<void> {
  try {
    await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
    // process.stderr may need a descriptor of its own.
    writeSync(
      STDERR,
      `${name}: only ${openFiles()} files may be open (ulimit -n), too few to load this program: raise it with 'ulimit -n 1024'\n`,
    );
    process.exit(EXIT_FAILURE);
  }
}
