// SPDX-License-Identifier: BSD-3-Clause
// A PCI function behind a vfio-user server, without a session, and one connected client.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { native } from '../../../src/native.ts';
import { openFds } from '../../../test/support/open-fds.ts';
import { until } from '../../../test/support/wait.ts';
import { VERSION_1 } from '../function/features.ts';
import { PciFunction } from '../function/pci-function.ts';
import { logTo } from '../log.ts';
import { VfioUserServer } from '../vfio-user/server.ts';
import { TestDriver } from './driver.test-help.ts';

export class ServedFunction {
  folder = '';
  lines: string[] = [];
  target!: PciFunction;
  server!: VfioUserServer;
  driver!: TestDriver;
  #fdsBefore = 0;

  connect(): TestDriver {
    return new TestDriver(native.unixConnect(joinPath(this.folder, 'socket')));
  }

  begin(): void {
    this.#fdsBefore = openFds();
    this.folder = mkdtempSync(joinPath(tmpdir(), 'vfio-user-'));
    this.lines = [];
    this.target = new PciFunction({
      queuePairs: 1,
      subsystemId: 21,
      memoryFiles: () => new Map(),
      dmaUnmapping: () => {},
      onFault: () => {},
      hooks: {
        offeredFeatures: () => VERSION_1,
        acceptFeatures: () => true,
        driverOk: () => {},
        queueEnabled: () => {},
        driverGone: () => {},
        notified: () => {},
      },
    });
    const log = logTo((line) => this.lines.push(line), false);
    this.server = new VfioUserServer(joinPath(this.folder, 'socket'), this.target, log);
    this.server.listen();
    this.driver = this.connect();
  }

  async end(): Promise<void> {
    this.driver.close();
    this.server.close();
    this.target.close();
    await until('no descriptor is left', () => openFds() <= this.#fdsBefore);
    rmSync(this.folder, { recursive: true });
  }
}

export function servedFunctionForEachTest(): ServedFunction {
  const served = new ServedFunction();
  beforeEach(() => served.begin());
  afterEach(() => served.end());
  return served;
}
