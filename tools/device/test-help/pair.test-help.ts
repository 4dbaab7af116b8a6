// SPDX-License-Identifier: BSD-3-Clause
// Two functions over one memory, a folder for their sockets, and the drivers of a test. After each test
// everything is closed and no descriptor may be left open.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type MappingHandle, native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { closeAll } from '../../socket/fds.ts';
import type { Device } from '../device.ts';
import type { PairOptions } from '../pair/pair.ts';
import { TestDriver } from './driver.test-help.ts';

/** A BAR's memory as a client maps it. */
export interface MappedBar {
  readonly flags: number;
  readonly bytes: number;
  readonly view: DataView;
  /** A descriptor of its file, as it was received. */
  readonly fd: number;
}

export class PairStage {
  device!: Device;
  folder = '';
  readonly lines: string[] = [];
  readonly #open: { close(): void }[] = [];
  readonly #mappings: MappingHandle[] = [];
  readonly #fds: number[] = [];
  #fdsBefore = 0;

  get paths(): [string, string] {
    return [joinPath(this.folder, 'a'), joinPath(this.folder, 'b')];
  }

  begin(): void {
    this.#fdsBefore = openFds();
    this.folder = mkdtempSync(joinPath(tmpdir(), 'pair-'));
    this.lines.length = 0;
  }

  async end(): Promise<void> {
    for (const end of this.#open.splice(0)) end.close();
    for (const mapping of this.#mappings.splice(0)) native.unmap(mapping);
    closeAll(this.#fds);
    this.device.close();
    await until('no descriptor is left', () => openFds() <= this.#fdsBefore);
    rmSync(this.folder, { recursive: true });
  }

  make<Options extends PairOptions>(
    create: (options: Options) => Device,
    options: Partial<Options> = {},
  ): void {
    const log = (line: string) => this.lines.push(line);
    this.device = create({ vfioUser: this.paths, size: 1 << 20, log, ...options } as unknown as Options);
  }

  async driver(side: 0 | 1): Promise<TestDriver> {
    const driver = new TestDriver(native.unixConnect(this.paths[side]));
    this.#open.push(driver);
    await driver.version();
    return driver;
  }

  async drivers(): Promise<[TestDriver, TestDriver]> {
    return [await this.driver(0), await this.driver(1)];
  }

  async map(driver: TestDriver, bar: number, writable = true): Promise<MappedBar> {
    const { payload, fds } = await driver.regionInfo(bar, 72);
    this.#fds.push(...fds);
    const fd = fds[0] ?? -1;
    const bytes = Number(payload.getBigUint64(16, true));
    const mapping = native.mapFd(fd, 0, bytes, writable);
    this.#mappings.push(mapping);
    return {
      flags: payload.getUint32(4, true),
      bytes,
      view: new DataView(native.mappingBuffer(mapping)),
      fd,
    };
  }
}

export function pairStageForEachTest(): PairStage {
  const stage = new PairStage();
  beforeEach(() => stage.begin());
  afterEach(() => stage.end());
  return stage;
}

export const word = async (driver: TestDriver, offset: number, region = 0): Promise<number> =>
  new DataView((await driver.read(region, offset, 4)).slice().buffer).getUint32(0, true);

export const setWord = (driver: TestDriver, offset: number, value: number, region = 0): Promise<number> =>
  driver.write(region, offset, new Uint8Array(Uint32Array.of(value).buffer));

export async function untilWord(driver: TestDriver, offset: number, value: number): Promise<void> {
  for (let i = 0; i < 2000 && (await word(driver, offset)) !== value; i++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  if ((await word(driver, offset)) !== value) throw new Error(`the word at ${offset} is not ${value}`);
}
