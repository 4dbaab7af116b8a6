// SPDX-License-Identifier: BSD-3-Clause
import { defineConfig } from 'vitest/config';

// Polling tests starve each other on small machines, so files run one after the other, each in its own process.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'tools/**/*.test.ts', 'test/**/*.test.ts'],
    // Virtual machines: npm run test:vm.
    exclude: ['test/vm/**'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/support/closing-line.ts'],
  },
});
