// SPDX-License-Identifier: BSD-3-Clause
import { expect, it } from 'vitest';
import { runTool } from '../../test/support/run-tool.ts';

it('regression: npm run prebuilds, which makes the addon, does not need one', async () => {
  const ended = await runTool('tools/prebuild/main.ts', ['vax'], { VHOST_PCI_ADDON: '/nowhere' });
  expect(ended).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^prebuild: 'vax' is not one of .*\n$/),
  });
});
