// SPDX-License-Identifier: BSD-3-Clause
// A running testpmd, ours or DPDK's: both take the same commands and print the same output.
import { Child, type ChildSpec } from './child.ts';
import { forwardsOn, statisticsIn, type TestpmdStatistics, totalIn } from './testpmd-output.ts';

export class Testpmd extends Child {
  readonly #ports: number;

  constructor(spec: ChildSpec, ports: number) {
    super(spec);
    this.#ports = ports;
  }

  /** Waits for the prompt. */
  async prompt(ms: number): Promise<void> {
    await this.waitFor(/testpmd> /, ms);
  }

  /** Waits until it forwards packets: with --auto-start, or started after position `from` of its output. */
  async forwarding(ms: number, from = 0): Promise<void> {
    await this.waitFor(forwardsOn(this.#ports), ms, from);
  }

  /** Types a command and returns what it printed, the next prompt included. */
  async command(line: string, ms: number): Promise<string> {
    const from = this.printed;
    this.write(line);
    // The echoed line contains a prompt as well: the answer ends at the prompt after it.
    return (await this.waitFor(/\n([\s\S]*)testpmd> $/, ms, from))[1] ?? '';
  }

  /**
   * Starts forwarding at the prompt. `txFirst` bursts are sent first, for modes in which packets only
   * circulate.
   */
  async startForwarding(ms: number, txFirst = 0): Promise<void> {
    const from = this.printed;
    this.write(txFirst > 0 ? `start tx_first ${txFirst}` : 'start');
    await this.forwarding(ms, from);
  }

  async stopForwarding(ms: number): Promise<void> {
    const from = this.printed;
    this.write('stop');
    await this.waitFor(/Done\./, ms, from);
  }

  /**
   * Current counters of every port, and rates since the previous query by testpmd's own clock. Needs the
   * prompt.
   */
  statistics(ms: number): Promise<TestpmdStatistics[]> {
    const from = this.printed;
    this.write('show port stats all');
    const ofAllPorts = (text: string) => {
      const blocks = statisticsIn(text).filter(({ kind }) => kind === 'port');
      return blocks.length < this.#ports ? undefined : blocks;
    };
    return this.read(ofAllPorts, ms, `the statistics of ${this.#ports} ports`, from);
  }

  /** The summary of all ports, once forwarding has stopped. */
  get total(): TestpmdStatistics | undefined {
    return totalIn(this.output);
  }

  /** Quits it at its prompt; kills it if it has not exited within `ms`. */
  async quit(ms: number): Promise<void> {
    this.resume();
    this.write('quit');
    if (!(await this.ended(ms))) await this.stop();
  }
}
