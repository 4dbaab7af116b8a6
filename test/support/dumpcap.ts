// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-dumpcap as a child process, on a testpmd of a runtime folder of its own, and what it has written.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, type CapturedPacket } from '../../src/capture/packet.ts';
import { CaptureFile } from '../../src/capture/reader.ts';
import { Prompt } from './prompt.ts';
import { collect, type Ended, startTool } from './run-tool.ts';
import { until } from './wait.ts';

/** A capture program, and what it says. */
export class Dumpcap {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  said = '';

  constructor(...args: readonly string[]) {
    this.child = startTool('tools/dumpcap/main.ts', args);
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.said += text;
    });
    this.ended = collect(this.child);
    running.push(this);
  }

  async capturing(): Promise<this> {
    await this.says(/Capturing on/);
    return this;
  }

  says(what: RegExp): Promise<void> {
    return until(`it says ${what}`, () => what.test(this.said));
  }

  /** Ctrl-C. */
  async interrupt(): Promise<Ended> {
    this.child.kill('SIGINT');
    return this.ended;
  }
}

const running: Dumpcap[] = [];

/** A folder for files and sockets, in which programs find each other, and the testpmd that is captured. */
export class CaptureStage {
  readonly folder = mkdtempSync(join(tmpdir(), 'vpci-dumpcap-'));
  #testpmd: Prompt | undefined;

  constructor() {
    process.env.RUNTIME_DIRECTORY = this.folder;
  }

  readonly file = (name: string): string => join(this.folder, name);

  /** Paths of the files whose names begin so, in order. */
  files(start: string): string[] {
    const names = readdirSync(this.folder).filter((name) => name.startsWith(start));
    return names.toSorted().map(this.file);
  }

  async start(...vdevs: readonly string[]): Promise<Prompt> {
    const devices = vdevs.flatMap((vdev) => ['--vdev', vdev]);
    this.#testpmd = new Prompt(['--no-huge', ...devices, '--', '-i', '--port-topology=loop']);
    await this.#testpmd.prints('testpmd> ');
    return this.#testpmd;
  }

  async close(): Promise<void> {
    for (const { child } of running.splice(0)) child.kill('SIGKILL');
    await this.#testpmd?.kill();
    delete process.env.RUNTIME_DIRECTORY;
    rmSync(this.folder, { recursive: true });
  }
}

export interface Kept extends CapturedPacket {
  readonly copy: Uint8Array;
}

export function packetsOf(path: string): Kept[] {
  const capture = CaptureFile.open(path);
  const packets: Kept[] = [];
  for (let one = capture.next(); one !== undefined; one = capture.next())
    packets.push({ ...one, copy: bytesOf(one).slice() });
  capture.close();
  return packets;
}
