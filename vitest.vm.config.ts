// SPDX-License-Identifier: BSD-3-Clause
import { defineConfig } from 'vitest/config';

// Tests with virtual machines: minutes without KVM, and a minute or two more where the images have to be built first.
export default defineConfig({
  test: {
    include: ['test/vm/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 900_000,
    reporters: ['verbose', './test/support/closing-line.ts'],
  },
});
