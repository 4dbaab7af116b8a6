// SPDX-License-Identifier: BSD-3-Clause
// A testpmd that runs, ours or DPDK's: both are driven by the same commands and print the same.
import { Child, type ChildSpec } from './child.ts';
import { forwardsOn, statisticsIn, type TestpmdStatistics, totalIn } from './testpmd-output.ts';

export class Testpmd extends Child {
  readonly #ports: number;

  constructor(spec: ChildSpec, ports: number) {
    super(spec);
    this.#ports = ports;
  }

  /** Waits until it takes commands. */
  async prompt(ms: number): Promise<void> {
    await this.waitFor(/testpmd> /, ms);
  }

  /** Waits until it forwards packets: with --auto-start, or once it was started after output character `from`. */
  async forwarding(ms: number, from = 0): Promise<void> {
    await this.waitFor(forwardsOn(this.#ports), ms, from);
  }

  /** Types a command and returns what it printed, the next prompt included. */
  async command(line: string, ms: number): Promise<string> {
    const from = this.printed;
    this.write(line);
    // The echo of the line holds a prompt, too: the answer ends at the prompt after it.
    return (await this.waitFor(/\n([\s\S]*)testpmd> $/, ms, from))[1] ?? '';
  }

  /** Starts forwarding at the prompt, `txFirst` bursts ahead where packets go round and have to come from somewhere. */
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

  /** Every port's counters by now, and its rates since it was last asked, by testpmd's own clock. Needs the prompt. */
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

  /** Ends it at its prompt, by force when it does not obey within `ms`. */
  async quit(ms: number): Promise<void> {
    this.resume();
    this.write('quit');
    if (!(await this.ended(ms))) await this.stop();
  }
}
