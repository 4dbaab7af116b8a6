// SPDX-License-Identifier: BSD-3-Clause
// Writes docs/api/, the reference of the library, from the docstrings of what its entry points export: npm
// run docs.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, LogLevel, type TypeDocOptions } from 'typedoc';
import type { PluginOptions } from 'typedoc-plugin-markdown';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
export const API_REFERENCE = path('docs/api');

const HEAD = `# API reference

Everything that \`vhost-pci-pmd\` exports; [pktgen/](pktgen/README.md) has what \`vhost-pci-pmd/pktgen\` does. [../api.md](../api.md) tells how the parts work together, [../errors.md](../errors.md) has every
error code with what to do. This folder is generated from the sources by \`npm run docs\`.
`;

const PKTGEN_HEAD = `# API reference of the packet generator

Everything that \`vhost-pci-pmd/pktgen\` exports. [../../pktgen.md](../../pktgen.md) tells what the figures mean, [../README.md](../README.md) has
what \`vhost-pci-pmd\` exports, \`Port\` among it. This folder is generated from the sources by \`npm run docs\`.
`;

interface EntryPoint {
  readonly name: string;
  readonly source: string;
  /** Beneath docs/api/. */
  readonly folder: string;
  readonly head: string;
  /** Types whose members say it all. */
  readonly unnamed: string[];
  /** What another entry point exports: the page, from one of this one's. */
  readonly elsewhere: Readonly<Record<string, string>>;
}

/** As in package.json. */
const ENTRY_POINTS: readonly EntryPoint[] = [
  // The members of Themes are those of the table in docs/errors.md.
  {
    name: 'vhost-pci-pmd',
    source: 'src/index.ts',
    folder: '',
    head: HEAD,
    unnamed: ['Themes'],
    elsewhere: {},
  },
  {
    name: 'vhost-pci-pmd/pktgen',
    ...{ source: 'tools/pktgen/index.ts', folder: 'pktgen', head: PKTGEN_HEAD, unnamed: ['Unreturned'] },
    elsewhere: {
      ERROR_CODES: '../../variables/ERROR_CODES.md',
      PmdErrorCode: '../../type-aliases/PmdErrorCode.md',
      Port: '../../interfaces/Port.md',
    },
  },
];

const OPTIONS: TypeDocOptions & Partial<PluginOptions> = {
  tsconfig: path('tools/docs/tsconfig.json'),
  // npm run typecheck does that.
  skipErrorChecking: true,
  plugin: ['typedoc-plugin-markdown'],
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
};

/** Writes the reference to `folder`; returns what is wrong with the docstrings, a line each. */
export async function writeApiReference(folder: string): Promise<string[]> {
  rmSync(folder, { recursive: true, force: true });
  const faults: string[] = [];
  for (const entry of ENTRY_POINTS)
    faults.push(...(await writeEntryPoint(entry, join(folder, entry.folder))));
  return faults;
}

async function writeEntryPoint(
  { name, source, head, unnamed, elsewhere }: EntryPoint,
  folder: string,
): Promise<string[]> {
  const faults: string[] = [];
  const own = {
    name,
    entryPoints: [path(source)],
    intentionallyNotExported: unnamed,
    externalSymbolLinkMappings: { 'vhost-pci-pmd': elsewhere },
  };
  const app = await Application.bootstrapWithPlugins({ ...OPTIONS, ...own } as TypeDocOptions);
  app.logger.log = (message, level) => {
    if (level >= LogLevel.Warn) faults.push(message);
  };
  const project = await app.convert();
  if (!project) return [...faults, 'typedoc read no sources'];
  app.validate(project);
  app.options.setValue('outputs', [{ name: 'markdown', path: folder }]);
  await app.generateOutputs(project);
  const index = join(folder, 'README.md');
  // The mapped links are those of pages, one folder further down.
  const text = readFileSync(index, 'utf8').replaceAll('](../../', '](../');
  writeFileSync(index, text.replace(/^# .*\n/, head));
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = await writeApiReference(API_REFERENCE);
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
