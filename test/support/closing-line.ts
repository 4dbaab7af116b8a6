// SPDX-License-Identifier: BSD-3-Clause
// A reporter that ends the run with "N passed, N failed, N skipped", the line that scripts look for.
import type { Reporter, TestModule } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], outside: readonly unknown[] = []): void {
    // An error outside any test fails the run too.
    const count = { passed: 0, failed: outside.length, skipped: 0 };
    for (const module of modules) {
      // A file that fails to load has errors and no tests.
      if (module.errors().length > 0) count.failed++;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        count[state === 'pending' ? 'failed' : state]++;
      }
    }
    process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
  }
}
