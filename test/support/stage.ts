// SPDX-License-Identifier: BSD-3-Clause
// The device model and peers as separate processes, our ports in this process, and a folder for their
// sockets.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { vhostPciDriver } from '../../src/drivers/vhost-pci/driver.ts';
import type { Port } from '../../src/ethdev/port.ts';
import { standardOutput } from '../../src/output/text-writer.ts';
import { Echo } from './echo.ts';
import { openFds } from './open-fds.ts';
import { startDeviceModel, Tool } from './tool.ts';
import { until } from './wait.ts';

// A port that reports opens this once per process: it is not a descriptor of that port.
standardOutput();

export class Stage {
  readonly #before = openFds();
  readonly #folder = mkdtempSync(join(tmpdir(), 'vpci-stage-'));
  readonly #tools: Tool[] = [];
  readonly #ports: Port[] = [];
  readonly #echoes: Echo[] = [];

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Starts a program of this tree in a process. */
  run(program: string, ...args: readonly string[]): Tool {
    const tool = new Tool(program, args);
    this.#tools.push(tool);
    return tool;
  }

  async startDevice(...more: readonly string[]): Promise<Tool> {
    const sockets = { vhostUser: this.path('vhost.sock'), vfioUser: this.path('vfio.sock') };
    const device = await startDeviceModel({ ...sockets, more });
    this.#tools.push(device);
    return device;
  }

  startPeer(...args: readonly string[]): Tool {
    return this.run('tools/peer/main.ts', '--vhost-user', this.path('vhost.sock'), ...args);
  }

  openPort(devargs: Record<string, string> = {}): Port {
    const all = new Map(Object.entries({ path: this.path('vfio.sock'), ...devargs }));
    const port = vhostPciDriver.probe(0, 'net_vhost_pci0', all);
    this.#ports.push(port);
    return port;
  }

  /** Opens a port that echoes. */
  startPort(devargs: Record<string, string> = {}): Port {
    const port = this.openPort(devargs);
    port.start();
    this.#echoes.push(new Echo(port));
    return port;
  }

  stopEchoes(): void {
    for (const echo of this.#echoes.splice(0)) echo.stop();
  }

  /** Waits until the peer exits by itself, and checks that it found no error. */
  async finished(peer: Tool): Promise<void> {
    await until('the peer ends', () => !peer.running);
    expect(peer.output).not.toMatch(/unavailable/);
    expect(peer.exitCode, peer.output).toBe(0);
  }

  async close(): Promise<void> {
    this.stopEchoes();
    for (const port of this.#ports.splice(0)) port.close();
    for (const tool of this.#tools.splice(0)) await tool.kill();
    rmSync(this.#folder, { recursive: true, force: true });
    await until('no descriptor is left over', () => openFds() <= this.#before);
  }
}
