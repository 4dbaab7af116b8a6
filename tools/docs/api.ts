// SPDX-License-Identifier: BSD-3-Clause
// Writes docs/api/, the reference of the library, from the docstrings of what src/index.ts exports: npm run
// docs.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, LogLevel, type TypeDocOptions } from 'typedoc';
import type { PluginOptions } from 'typedoc-plugin-markdown';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
export const API_REFERENCE = path('docs/api');

const HEAD = `# API reference

Everything that \`vhost-pci-pmd\` exports. [../api.md](../api.md) tells how the parts work together, [../errors.md](../errors.md) has every
error code with what to do. This folder is generated from the sources by \`npm run docs\`.
`;

const OPTIONS: TypeDocOptions & Partial<PluginOptions> = {
  entryPoints: [path('src/index.ts')],
  tsconfig: path('tools/docs/tsconfig.json'),
  // npm run typecheck does that.
  skipErrorChecking: true,
  plugin: ['typedoc-plugin-markdown'],
  name: 'vhost-pci-pmd',
  readme: 'none',
  logLevel: 'Warn',
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  // Line numbers and revisions would change with every commit.
  disableSources: true,
  disableGit: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  indexFormat: 'table',
  sort: ['source-order'],
  validation: { notDocumented: true, notExported: true, invalidLink: true },
  // Its members are those of the table in docs/errors.md.
  intentionallyNotExported: ['Themes'],
};

/** Writes the reference to `folder`; returns what is wrong with the docstrings, a line each. */
export async function writeApiReference(folder: string): Promise<string[]> {
  const faults: string[] = [];
  const app = await Application.bootstrapWithPlugins(OPTIONS as TypeDocOptions);
  app.logger.log = (message, level) => {
    if (level >= LogLevel.Warn) faults.push(message);
  };
  const project = await app.convert();
  if (!project) return [...faults, 'typedoc read no sources'];
  app.validate(project);
  rmSync(folder, { recursive: true, force: true });
  app.options.setValue('outputs', [{ name: 'markdown', path: folder }]);
  await app.generateOutputs(project);
  const index = join(folder, 'README.md');
  writeFileSync(index, readFileSync(index, 'utf8').replace(/^# .*\n/, HEAD));
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = await writeApiReference(API_REFERENCE);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
