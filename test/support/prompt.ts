// SPDX-License-Identifier: BSD-3-Clause
// vhost-pci-testpmd with its prompt, as a child process: what a user types and sees. As on a terminal, stdout
// and stderr are one stream.
import { Child, type SignalName } from '../../tools/run/child.ts';
import { latestOf } from '../../tools/run/testpmd-output.ts';
import { nodeArguments } from './program.ts';
import { until } from './wait.ts';

const START_MS = 60_000;
/** Longer than any test runs. */
const MAX_RUN_MS = 3_600_000;

export class Prompt {
  readonly #child: Child;

  /**
   * testpmd's options, `--` and `-i` included; `within` wraps the command line, to run it in a special
   * environment.
   */
  constructor(
    args: readonly string[],
    within: (words: readonly string[]) => string[] = (words) => [...words],
  ) {
    const node = [process.execPath, ...nodeArguments('src/testpmd/main.ts'), ...args];
    const command = ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...within(node)];
    this.#child = new Child({ name: 'vhost-pci-testpmd', command, maxRunMs: MAX_RUN_MS });
  }

  /** Its output so far. */
  get out(): string {
    return this.#child.output;
  }

  get running(): boolean {
    return this.#child.exit === undefined;
  }

  /** Exit code or signal; undefined while it runs. */
  get exit(): number | string | undefined {
    return this.#child.exit;
  }

  write(line: string): void {
    this.#child.write(line);
  }

  /** Waits for text on stdout after the first `from` characters. */
  async prints(text: string, from = 0, boundMs = START_MS): Promise<void> {
    const there = () => this.out.slice(from).includes(text);
    await until(`testpmd prints '${text}'`, () => there() || !this.running, boundMs).catch((error) => {
      throw new Error(`${error.message}:\n${this.out}`);
    });
    if (!there()) throw new Error(`testpmd ended without '${text}':\n${this.out}`);
  }

  /** Types a command and returns the output up to the next prompt, including events in between. */
  async say(line: string): Promise<string> {
    const from = this.out.length;
    this.write(line);
    // The answer starts at the echo: an event may print a prompt before it.
    await this.prints(`${line}\n`, from);
    const answer = this.out.indexOf(`${line}\n`, from) + line.length + 1;
    await this.prints('testpmd> ', answer);
    return this.out.slice(answer);
  }

  async received(): Promise<number> {
    return latestOf(await this.say('show port stats 0'), 0)?.rxPackets ?? Number.NaN;
  }

  /** Polls until more than `packets` have been received. */
  async receives(packets: number): Promise<void> {
    const end = Date.now() + START_MS;
    for (let now = await this.received(); !(now > packets); now = await this.received()) {
      if (Date.now() > end) throw new Error(`${now} packets received, not more than ${packets}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Holds all its threads: it answers nothing. */
  hold(): void {
    this.#child.pause();
  }

  async kill(signal: SignalName = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    this.#child.signal(signal);
    await this.#child.gone;
  }
}
