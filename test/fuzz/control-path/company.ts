// SPDX-License-Identifier: BSD-3-Clause
// An honest party alongside an attacker: it continues its work and times each answer.
import { VHOST_USER } from '../../../src/abi/vhost-user.ts';
import { DRIVER_NET, REMAP, SESSION, TestDriver } from '../../../tools/device/test-help/driver.test-help.ts';
import { NET_AND_PROTOCOL, TestPeer } from '../../../tools/device/test-help/peer.test-help.ts';
import type { Connect } from './attacker.ts';

const TURN_MS = 5;
const ENTER_MS = 5000;
const [CLASS_SESSION, QUEUE_STOP] = [2, 1];

export interface Company {
  /** Longest time to an answer, in milliseconds. */
  readonly slowestMs: number;
  /** Ends its work. Throws the error that it met. */
  leave(): Promise<void>;
}

abstract class Worker implements Company {
  slowestMs = 0;
  #running = true;
  readonly #work: Promise<void>;
  #error: Error | null = null;

  constructor() {
    // Runs after the subclass's fields are initialised.
    this.#work = Promise.resolve()
      .then(() => this.#loop())
      .catch((error: Error) => {
        this.#error = error;
      });
  }

  async leave(): Promise<void> {
    this.#running = false;
    await this.#work;
    this.end();
    if (this.#error) throw this.#error;
  }

  protected abstract turn(): Promise<void>;
  protected abstract end(): void;

  protected async timed<T>(work: Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work;
    } finally {
      this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
    }
  }

  async #loop(): Promise<void> {
    while (this.#running) {
      await this.turn();
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
  }
}

/** Works its control queue and reads registers; nothing that a peer does may end it. */
export class HonestDriver extends Worker {
  readonly #driver: TestDriver;
  readonly #pairs: number;

  private constructor(driver: TestDriver, pairs: number) {
    super();
    this.#driver = driver;
    this.#pairs = pairs;
  }

  static async enter(connect: Connect, pairs: number): Promise<HonestDriver> {
    const fd = await connect('driver');
    if (fd === null) throw new Error('an honest driver cannot connect');
    const driver = new TestDriver(fd);
    await driver.start(DRIVER_NET | SESSION | REMAP, pairs);
    return new HonestDriver(driver, pairs);
  }

  protected override async turn(): Promise<void> {
    const config = await this.timed(this.#driver.read(0, 0x2000, 2));
    if (config[0] !== this.#pairs)
      throw new Error(`an honest driver reads ${config[0]} queue pairs of ${this.#pairs}`);
    const status = Number(await this.timed(this.#driver.common('device_status')));
    if (status !== 15) throw new Error(`an honest driver finds the device at status ${status}`);
    for (const queue of [0, 1]) await this.#driver.notify(queue);
    const messages = this.#driver.collect();
    for (const message of messages) await this.#answer(message);
    if (messages.length > 0) await this.#driver.notify(2 * this.#pairs);
  }

  protected override end(): void {
    this.#driver.close();
  }

  async #answer(message: Uint8Array): Promise<void> {
    if (message[0] !== CLASS_SESSION || message[1] !== QUEUE_STOP) return;
    const answer = message.slice(0, 12);
    answer[1] = 2;
    await this.#driver.send(answer, this.#pairs);
  }
}

/**
 * Sends requests, stops its rings and starts them again; a driver that refuses its features may only cost it
 * the connection.
 */
export class HonestPeer extends Worker {
  readonly #connect: Connect;
  #peer: TestPeer;
  #turns = 0;

  private constructor(connect: Connect, peer: TestPeer) {
    super();
    this.#connect = connect;
    this.#peer = peer;
  }

  static async enter(connect: Connect): Promise<HonestPeer> {
    return new HonestPeer(connect, await startPeer(connect));
  }

  protected override async turn(): Promise<void> {
    try {
      await this.timed(this.#peer.ask(VHOST_USER.GET_PROTOCOL_FEATURES));
      if (this.#turns++ % 8 === 7) await this.#restartRing();
    } catch (error) {
      if (this.#peer.channel.closedBecause === null) throw error;
      this.#peer.close();
      this.#peer = await this.timed(startPeer(this.#connect));
    }
  }

  protected override end(): void {
    this.#peer.close();
  }

  async #restartRing(): Promise<void> {
    const index = await this.timed(this.#peer.vringBase(0));
    await this.#peer.startRing(0, index);
    await this.#peer.enable(0);
  }
}

/** With the currently offered features, which a driver may change meanwhile. */
async function startPeer(connect: Connect): Promise<TestPeer> {
  const end = Date.now() + ENTER_MS;
  for (;;) {
    const fd = await connect('peer');
    const peer = fd === null ? null : new TestPeer(fd);
    try {
      if (!peer) throw new Error('its connection was not accepted');
      const offered = (await peer.ask(VHOST_USER.GET_FEATURES)).getBigUint64(0, true);
      await peer.start(NET_AND_PROTOCOL & offered);
      return peer;
    } catch (error) {
      peer?.close();
      if (Date.now() > end) throw new Error(`an honest peer cannot start: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
  }
}
