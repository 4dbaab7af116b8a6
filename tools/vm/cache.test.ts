// SPDX-License-Identifier: BSD-3-Clause
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Cache, cacheFolder } from './cache.ts';

describe('cache', () => {
  let folder: string;
  let cache: Cache;
  let builds: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vpci-cache-'));
    cache = new Cache(folder);
    builds = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const build = async (draft: string) => {
    builds++;
    writeFileSync(join(draft, 'content'), `${builds}`);
  };

  it('builds once for the same inputs, and again for others', async () => {
    const first = await cache.entry('image', ['a', 1], build);
    expect(await cache.entry('image', ['a', 1], build)).toBe(first);
    const second = await cache.entry('image', ['a', 2], build);
    expect(second).not.toBe(first);
    expect([builds, readFileSync(join(second, 'content'), 'utf8')]).toEqual([2, '2']);
  });

  it('builds once for two that ask at the same time', async () => {
    const slow = async (draft: string) => {
      await setImmediate();
      await build(draft);
    };
    const paths = await Promise.all([1, 2].map(() => new Cache(folder).entry('image', 1, slow)));
    expect([builds, new Set(paths).size, readdirSync(folder).length]).toEqual([1, 1, 1]);
  });

  it('leaves nothing behind when a build fails', async () => {
    const failing = async (draft: string) => {
      writeFileSync(join(draft, 'half'), '');
      throw new Error('no mirror');
    };
    await expect(cache.entry('image', 1, failing)).rejects.toThrow('no mirror');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('uses what another process finished meanwhile', async () => {
    const path = await cache.entry('image', 1, async (draft) => {
      const place = draft.replace(/\.building-.*/, '');
      mkdirSync(place);
      writeFileSync(join(place, 'content'), 'theirs');
      await build(draft);
    });
    expect(readFileSync(join(path, 'content'), 'utf8')).toBe('theirs');
  });

  it('removes long-unused entries, but only of the same kind', async () => {
    const old = await cache.entry('image', 1, build);
    const other = await cache.entry('root', 1, build);
    for (const path of [old, other]) utimesSync(path, 0, 0);
    await cache.entry('image', 2, build);
    expect([existsSync(old), existsSync(other)]).toEqual([false, true]);
  });

  it('is where the XDG base directory specification puts it', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/vhost-pci-pmd');
    expect(cacheFolder({})).toMatch(/\/\.cache\/vhost-pci-pmd$/);
  });
});
