// SPDX-License-Identifier: BSD-3-Clause
// The rig: images, accelerator, logs, and the started programs, which it ends in reverse order. One rig has a
// device model, VM2 and VM1; a test starts what it needs.
import { mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { PmdError } from '../../src/errors.ts';
import { Child } from '../run/child.ts';
import { DeviceProcess } from '../run/device-model.ts';
import { stopAll, Workspace } from '../run/workspace.ts';
import { type Choice, chooseAccelerator } from './accelerator.ts';
import { Cache } from './cache.ts';
import { type Images, prepareImages } from './images.ts';
import { Machine } from './machine.ts';
import { prepareProjectImage } from './project-image.ts';
import {
  type MachineSpec,
  PEER_MEMORY_MIB,
  type PeerMachineOptions,
  type PmdMachineOptions,
  peerMachine,
  pmdMachine,
  type SectionMachineOptions,
  sectionMachine,
} from './qemu.ts';

const START_MS = 20_000;
const TMPFS = '/dev/shm';
const MIB = 1 << 20;
/** Number of log folders to keep. */
const KEPT_LOGS = 10;

export interface RigOptions {
  readonly say: (line: string) => void;
  /** Milliseconds after which everything is killed in any case. */
  readonly maxRunMs: number;
}

export class Rig {
  readonly images: Images;
  readonly choice: Choice;
  /** Consoles of the guests and output of the programs. */
  readonly logs: string;
  readonly vhostUser: string;
  readonly vfioUser: string;
  readonly #options: RigOptions;
  readonly #cache: Cache;
  readonly #workspace = new Workspace();
  #memory: Workspace | undefined;
  readonly #running: { stop(): Promise<void> }[] = [];

  /** Prepares the images, which takes a minute or two the first time. */
  static async prepare(options: RigOptions): Promise<Rig> {
    const cache = new Cache();
    const images = await prepareImages(cache, options.say);
    const choice = await chooseAccelerator(cache, images);
    options.say(`Virtual machines use ${choice.accelerator.toUpperCase()}: ${choice.reason}`);
    return new Rig(options, cache, images, choice);
  }

  private constructor(options: RigOptions, cache: Cache, images: Images, choice: Choice) {
    this.#options = options;
    this.#cache = cache;
    this.images = images;
    this.choice = choice;
    this.logs = newLogFolder(cache);
    this.vhostUser = this.#workspace.path('vhost');
    this.vfioUser = this.#workspace.path('vfio');
  }

  /** The device model between the two machines. */
  async startDevice(...more: string[]): Promise<DeviceProcess> {
    const { vhostUser, vfioUser } = this;
    const log = this.#logOf('vhost-pci-device');
    const device = new DeviceProcess({ vhostUser, vfioUser, more, log, maxRunMs: this.#options.maxRunMs });
    this.#running.push(device);
    await device.ready(START_MS);
    return device;
  }

  /** A program on the host that ends with the rig; its output goes to the logs. */
  startProgram(name: string, command: readonly string[]): Child {
    const child = new Child({ name, command, log: this.#logOf(name), maxRunMs: this.#options.maxRunMs });
    this.#running.push(child);
    return child;
  }

  #logOf(program: string): string {
    return join(this.logs, `${program}.log`);
  }

  /** Starts VM2; resolves when it runs commands. The device model must already run. */
  startPeer(options: PeerMachineOptions = {}): Promise<Machine> {
    return this.start(peerMachine(this.vhostUser, options));
  }

  /**
   * Starts VM1; resolves when it runs commands. QEMU maps the function's BARs once, so VM2's memory must
   * already be known.
   */
  async startPmdGuest(options: PmdMachineOptions = {}): Promise<Machine> {
    const project = await prepareProjectImage(this.#cache, this.images);
    return this.start(pmdMachine(this.vfioUser, project, options));
  }

  /** Starts one of two machines with the PMD, joined over the carriers of RFC 2.1. */
  async startSectionGuest(name: string, options: SectionMachineOptions): Promise<Machine> {
    const project = await prepareProjectImage(this.#cache, this.images);
    return this.start(sectionMachine(name, project, options));
  }

  async start(spec: MachineSpec): Promise<Machine> {
    const machine = new Machine(
      {
        images: this.images,
        accelerator: this.choice.accelerator,
        folder: this.#workspace.folder,
        logs: this.logs,
        maxRunMs: this.#options.maxRunMs,
      },
      spec,
    );
    this.#running.push(machine);
    await machine.booted();
    return machine;
  }

  /** A short path for a socket, removed with the rig. */
  socketPath(name: string): string {
    return this.#workspace.path(name);
  }

  /** The path of a file that can hold VM2's memory; removed with the rig. */
  memoryFile(name: string): string {
    const { bavail, bsize } = statfsSync(TMPFS);
    const free = Math.floor((bavail * bsize) / MIB);
    // QEMU dies of SIGBUS when tmpfs is full.
    if (free < PEER_MEMORY_MIB)
      throw new PmdError('VPCI_RIG', `${TMPFS} has ${free} MiB free, but VM2 needs ${PEER_MEMORY_MIB}`);
    this.#memory ??= new Workspace(TMPFS);
    return join(this.#memory.folder, name);
  }

  /** Ends everything, the last started first. */
  async stop(): Promise<void> {
    await stopAll(this.#running.splice(0).reverse());
    this.#workspace.remove();
    this.#memory?.remove();
  }
}

function newLogFolder(cache: Cache): string {
  const logs = join(cache.folder, 'logs');
  const folder = join(logs, `${new Date().toISOString().replaceAll(':', '')}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(logs).sort().slice(0, -KEPT_LOGS)) {
    rmSync(join(logs, old), { recursive: true, force: true });
  }
  return folder;
}
