// SPDX-License-Identifier: BSD-3-Clause
// The declarations of the package, as an application's compiler reads them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROOT } from './support/program.ts';

const COMPILER = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const APPLICATION = `
import {
  ERROR_CODES, type LcoreContext, launch, MBUF_F_NEEDS_CSUM, MBUF_F_TSO4, type Mempool, openPort, PmdError,
  type PmdErrorCode, type PortLink,
} from 'vhost-pci-pmd';
import { openPktgen, type SearchResult, type Stream } from 'vhost-pci-pmd/pktgen';

export default function main(lcore: LcoreContext<{ readonly queue: number }>): void {
  const pool: Mempool = lcore.createPool({ count: 8 });
  const pkts = pool.vector(1);
  pool.olFlags[pkts.ids[0]] = MBUF_F_NEEDS_CSUM | MBUF_F_TSO4;
  pool.free(pkts, 0, lcore.rxQueue(0, lcore.data.queue).burst(pkts, 1));
}

const port = openPort('net_null0', { rxQueues: 1 });
const listener = ({ up, reason }: PortLink) => { if (!up) throw new PmdError('VPCI_CHECK', reason ?? ''); };
port.on('link', listener);
port.once('removed', () => port.close());
port.off('link', listener);
const lcore = launch({ cpu: 0, module: '/app.js', ports: [port] });
const retry: PmdErrorCode[] = ['EBUSY'];

const streams: Stream[] = [{ size: 'imix' }, { rate: '10kpps', vlan: 7 }];
export async function highest(): Promise<SearchResult> {
  const pktgen = await openPktgen({ streams, device: port });
  for await (const { sent, latency } of pktgen.statistics({ seconds: 1 })) latency?.p99Ns.toFixed(sent);
  return await pktgen.search({ loss: 0 });
}
lcore.exited.catch((error: unknown) => { if (error instanceof PmdError) retry.includes(error.code); });
export const remedy: string | undefined = Object.values(ERROR_CODES).find((theme) => theme.VPCI_CLOSED)?.VPCI_CLOSED?.[1];
`;

let folder = '';
const compile = (project: object, at: string) => {
  writeFileSync(join(at, 'tsconfig.json'), JSON.stringify(project));
  const { stdout, status } = spawnSync(process.execPath, [COMPILER, '-p', at], { encoding: 'utf8' });
  return [stdout, status];
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'types-'));
  const installed = join(folder, 'node_modules/vhost-pci-pmd');
  mkdirSync(installed, { recursive: true });
  const emitted = compile(
    {
      extends: join(ROOT, 'tsconfig.build.json'),
      compilerOptions: {
        rootDir: ROOT,
        outDir: join(installed, 'dist'),
        emitDeclarationOnly: true,
        // npm run typecheck does that.
        noCheck: true,
        sourceMap: false,
        incremental: false,
        tsBuildInfoFile: null,
        typeRoots: [join(ROOT, 'node_modules/@types')],
        paths: null,
      },
      include: [],
      files: [join(ROOT, 'src/index.ts'), join(ROOT, 'tools/pktgen/index.ts')],
    },
    installed,
  );
  expect(emitted).toEqual(['', 0]);
  const exported = {
    '.': { types: './dist/src/index.d.ts' },
    './pktgen': { types: './dist/tools/pktgen/index.d.ts' },
  };
  writeFileSync(
    join(installed, 'package.json'),
    JSON.stringify({ name: 'vhost-pci-pmd', type: 'module', exports: exported }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

it('regression: an application compiles without @types/node, and the declarations with it', () => {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(join(folder, 'app.ts'), APPLICATION);
  const options = { module: 'nodenext', target: 'es2023', lib: ['es2023'], strict: true, types: [] };
  const project = (extra: object) => ({
    compilerOptions: { ...options, noEmit: true, ...extra },
    files: ['app.ts'],
  });
  expect(compile(project({}), folder)).toEqual(['', 0]);
  expect(compile(project({ exactOptionalPropertyTypes: true }), folder)).toEqual(['', 0]);
});
