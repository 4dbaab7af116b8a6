// SPDX-License-Identifier: BSD-3-Clause
// Carries out the steps of a plan. It never waits for the device: what a socket does not accept within a
// moment is not sent.
import { ftruncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { VFIO_USER } from '../../../src/abi/vfio-user.ts';
import { type MappingHandle, native } from '../../../src/native.ts';
import { join, u32s, u64s, vfioUserMessage } from '../../../tools/device/test-help/channel.test-help.ts';
import { closeAll, closeQuietly } from '../../../tools/socket/fds.ts';
import type { Accomplice } from './accomplice.ts';
import { ControlAgent } from './control-agent.ts';
import { kindOf, MEMORY_BYTES } from './kinds.ts';
import type { Plan, Side, Step } from './steps.ts';

const SEND_MS = 150;
const MAX_FDS = 64;
const NOTIFY_CONTROL = 0x3000;
/** Kinds that this process must not map or write either. */
const UNTOUCHABLE = ['fuse', 'proc-mem', 'small-tmpfs', 'hugetlb-too-large'];

/** A connected socket to the device, or null if it accepts none. */
export type Connect = (side: Side) => Promise<number | null>;

interface Memory {
  readonly mapping: MappingHandle;
  readonly view: DataView;
}

export class Attacker {
  readonly #plan: Plan;
  readonly #connect: Connect;
  readonly #accomplice: Accomplice;
  readonly #victim: number;
  readonly #notifyControl: Uint8Array;
  readonly #sockets = new Map<Side, number>();
  readonly #strangers: number[] = [];
  readonly #fds = new Map<string, number>();
  readonly #memory = new Map<Side, Memory>();
  readonly #doorbells: number[] = [];
  readonly #deaf = new Set<Side>();
  #agent: ControlAgent | null = null;

  /** `victim` is the device model's process. */
  constructor(plan: Plan, accomplice: Accomplice, connect: Connect, victim: number, queuePairs: number) {
    this.#plan = plan;
    this.#accomplice = accomplice;
    this.#connect = connect;
    this.#victim = victim;
    const offset = NOTIFY_CONTROL + 8 * queuePairs;
    this.#notifyControl = vfioUserMessage(
      VFIO_USER.REGION_WRITE,
      join(u64s(BigInt(offset)), u32s(0, 2), new Uint8Array(2)),
    );
    for (const side of ['peer', 'driver'] as const) this.#mapMemory(side);
    const driver = this.#memory.get('driver');
    if (driver) this.#agent = new ControlAgent(driver.view, plan.manners);
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const [n, step] of steps.entries()) {
      await this.#step(step);
      this.#react();
      // Lets the event loop run for the honest parties on it.
      if (n % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Closes its connections, as a dying process does. */
  disconnect(): void {
    for (const side of [...this.#sockets.keys()]) this.#close(side);
    closeAll(this.#strangers);
  }

  /** Releases everything. Safe to call twice. */
  close(): void {
    this.disconnect();
    for (const { mapping } of this.#memory.values()) native.unmap(mapping);
    this.#memory.clear();
    this.#agent = null;
    for (const fd of this.#fds.values()) closeQuietly(fd);
    this.#fds.clear();
    closeAll(this.#doorbells);
  }

  async #step(step: Step): Promise<void> {
    const { side } = step;
    switch (step.act) {
      case 'connect':
        return this.#open(side);
      case 'close':
        return this.#close(side);
      case 'shutdown':
        return this.#quietly(() => native.unixShutdown(this.#sockets.get(side) ?? -1));
      case 'send':
        return this.#send(step);
      case 'flood':
        for (let n = 0; n < step.times && (await this.#transmit(side, step.bytes, [])); n++) this.#react();
        return;
      case 'wait':
        await sleep(step.ms);
        return;
      case 'store':
        return this.#store(side, step.at, step.bytes);
      case 'resize':
        return this.#quietly(() => ftruncateSync(this.#fds.get(this.#plan.memory[side]) ?? -1, step.bytes));
      case 'signal':
        return this.#signal(step.event, step.value, step.times);
      case 'fill':
      case 'block': {
        const fd = this.#fd(step.event);
        if (fd === null || !native.isEventfd(fd)) return;
        if (step.act === 'fill') this.#accomplice.fill(fd, this.#victim);
        else this.#accomplice.block(fd);
        return;
      }
      case 'deaf':
        if (step.on) this.#deaf.add(side);
        else this.#deaf.delete(side);
        return;
      case 'strangers':
        for (let n = 0; n < step.count; n++) {
          const fd = await this.#connect(side);
          if (fd !== null) this.#strangers.push(fd);
        }
    }
  }

  async #open(side: Side): Promise<void> {
    this.#close(side);
    const fd = await this.#connect(side);
    if (fd !== null) this.#sockets.set(side, fd);
  }

  #close(side: Side): void {
    closeQuietly(this.#sockets.get(side) ?? -1);
    this.#sockets.delete(side);
  }

  async #send(step: Extract<Step, { act: 'send' }>): Promise<void> {
    const fds = step.fds.map((name) => this.#fd(name)).filter((fd) => fd !== null);
    let at = 0;
    for (const length of step.pieces) {
      if (
        length > 0 &&
        !(await this.#transmit(step.side, step.bytes.subarray(at, at + length), at === 0 ? fds : []))
      )
        return;
      at += length;
      if (step.pauseMs > 0) await sleep(step.pauseMs);
    }
  }

  /** False when it could not be sent: the device closed, or does not read. */
  async #transmit(side: Side, bytes: Uint8Array, fds: readonly number[]): Promise<boolean> {
    const socket = this.#sockets.get(side);
    if (socket === undefined) return false;
    const end = Date.now() + SEND_MS;
    try {
      for (let sent = 0; sent < bytes.length; ) {
        const taken = native.sendMessage(
          socket,
          bytes.subarray(sent),
          sent === 0 ? fds.slice(0, MAX_FDS) : [],
        );
        sent += taken;
        if (taken > 0) continue;
        if (Date.now() > end) return false;
        this.#listen();
        await sleep(2);
      }
      return true;
    } catch {
      // The device closed the connection, which is how many attacks end.
      return false;
    }
  }

  /** Reads what was received, and does what a driver does with its control queue. */
  #react(): void {
    this.#listen();
    const driver = this.#sockets.get('driver');
    if (driver === undefined || !this.#agent?.turn()) return;
    this.#quietly(() => native.sendMessage(driver, this.#notifyControl, []));
  }

  #listen(): void {
    for (const [side, socket] of this.#sockets) {
      if (this.#deaf.has(side)) continue;
      const into = new Uint8Array(65536);
      this.#quietly(() => {
        for (let n = 0; n < 16; n++) {
          const got = native.receiveMessage(socket, into, MAX_FDS);
          if (!got) return;
          if (side === 'driver') this.#keepDoorbells(got.fds);
          else closeAll(got.fds);
          if (got.bytes === 0) return;
        }
      });
    }
  }

  #keepDoorbells(fds: number[]): void {
    for (const [queue, fd] of fds.entries()) {
      const keep = native.isEventfd(fd) && this.#doorbells[queue] === undefined;
      if (keep) this.#doorbells[queue] = fd;
      else closeQuietly(fd);
    }
  }

  /** A descriptor by its name (kinds.ts); null if there is none here. */
  #fd(name: string): number | null {
    const [kind, which = ''] = name.split(':');
    if (kind === 'doorbell') return this.#doorbells[Number(which)] ?? null;
    if (kind === 'socket') return this.#sockets.get(which as Side) ?? null;
    const known = this.#fds.get(name);
    if (known !== undefined) return known;
    const fd = this.#accomplice.make(kindOf(name));
    if (fd !== null) this.#fds.set(name, fd);
    return fd;
  }

  #mapMemory(side: Side): void {
    const name = this.#plan.memory[side];
    const fd = this.#fd(name);
    if (fd === null || UNTOUCHABLE.includes(kindOf(name))) return;
    this.#quietly(() => {
      const mapping = native.mapFd(fd, 0, MEMORY_BYTES, true);
      this.#memory.set(side, { mapping, view: new DataView(native.mappingBuffer(mapping)) });
    });
  }

  #store(side: Side, at: number, bytes: Uint8Array): void {
    const view = this.#memory.get(side)?.view;
    if (view) new Uint8Array(view.buffer, at, bytes.length).set(bytes);
  }

  #signal(event: string, value: bigint, times: number): void {
    const fd = this.#fd(event);
    if (fd !== null && native.isEventfd(fd)) this.#accomplice.add(fd, value, times);
  }

  #quietly(attempt: () => unknown): void {
    try {
      attempt();
    } catch {
      // An attack that the system does not allow does not count.
    }
  }
}
