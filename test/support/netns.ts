// SPDX-License-Identifier: BSD-3-Clause
// Network namespaces for a test: to packets, each looks like another kernel.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { release } from 'node:os';
import { inCi } from './dpdk.ts';
import { fed } from './fed.ts';

let count = 0;

/** Why tests with tap interfaces are skipped; false if they can run, and in CI, where they must. */
export function tapMissing(): string | false {
  if (inCi()) return false;
  try {
    const probe = new Namespace();
    try {
      probe.ip('tuntap', 'add', 'dev', 'probe0', 'mode', 'tap');
      probe.run('ping', '-V');
    } finally {
      probe.close();
    }
    return false;
  } catch (error) {
    const cause = String((error as Error).message)
      .trim()
      .split('\n')
      .at(-1);
    const reason = `it takes root, /dev/net/tun, iproute2 and ping (${cause})`;
    console.warn(`Tests with tap interfaces are skipped: ${reason}`);
    return reason;
  }
}

/** Why this kernel's taps do not accept uncut datagrams (TUN_F_USO came with Linux 6.2); false if they do. */
export function tapUsoMissing(): string | false {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major > 6 || (major === 6 && minor >= 2)) return false;
  const reason = `taps take UDP segmentation from Linux 6.2 on, this is ${release()}`;
  console.warn(`A test of UDP segmentation is skipped: ${reason}`);
  return reason;
}

/** An interface name that no other test uses. */
export const interfaceName = (): string => `vpt${process.pid}x${count++}`;

export class Namespace {
  readonly name = `vpci-${process.pid}-${count++}`;
  readonly #children: ChildProcess[] = [];

  constructor() {
    run('ip', ['netns', 'add', this.name]);
    this.ip('link', 'set', 'lo', 'up');
    // IPv6 neighbour discovery would send unrelated frames.
    this.run('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
  }

  /** Runs ip(8) in the namespace. */
  ip(...args: string[]): string {
    return run('ip', ['-n', this.name, ...args]);
  }

  /** Runs a command to its end and returns its output. Throws when it fails. */
  run(...command: string[]): string {
    return run('ip', ['netns', 'exec', this.name, ...command]);
  }

  /** The same without blocking this process. */
  async runAsync(...command: string[]): Promise<string> {
    const child = this.start(...command);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${output}`);
    return output;
  }

  /** Starts a command in the background; it ends with the namespace at the latest. */
  start(...command: string[]): ChildProcess {
    const child = fed(spawn('ip', ['netns', 'exec', this.name, ...command], { stdio: 'pipe' }));
    this.#children.push(child);
    return child;
  }

  /** Moves an interface of this process's namespace here, gives it an address and sets it up. */
  adopt(iface: string, address: string, mtu = 1500): void {
    run('ip', ['link', 'set', iface, 'netns', this.name]);
    this.ip('link', 'set', iface, 'mtu', String(mtu));
    this.ip('address', 'add', address, 'dev', iface);
    this.ip('link', 'set', iface, 'up');
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    run('ip', ['netns', 'delete', this.name]);
  }
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe', timeout: 60_000 });
}
