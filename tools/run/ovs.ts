// SPDX-License-Identifier: BSD-3-Clause
// Open vSwitch with DPDK, with a database, sockets and log of its own in a folder that is removed: neither
// the system's switch nor its configuration is touched.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { PmdError } from '../../src/errors.ts';
import { Child } from './child.ts';
import { findProgram, onCpu } from './programs.ts';

/** Debian's package has this build beside the one without DPDK, which is the default on the PATH. */
const SWITCHES = [
  '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk',
  '/usr/lib64/openvswitch-dpdk/ovs-vswitchd',
];
const SCHEMAS = [
  '/usr/share/openvswitch/vswitch.ovsschema',
  '/usr/local/share/openvswitch/vswitch.ovsschema',
];
const PROGRAMS = ['ovsdb-tool', 'ovsdb-server', 'ovs-vsctl', 'ovs-ofctl', 'ovs-appctl'];
const BRIDGE = 'br0';
const MEMORY_MIB = 256;
/**
 * So many have a pool of packets each (some 60 MiB) instead of a common one of 256 Ki packets, which takes
 * all free hugepages while it is made: then a guest that connects at that moment is refused. So two switches
 * can be compared.
 */
const FEW_PORTS = 2;
const START_MS = 30_000;

/** What can be tuned; the same for all ports. */
export interface OvsTuning {
  /** One packet in so many enters the exact match cache; 0: none. Open vSwitch's default is 100. */
  readonly emcInsertInverse: number;
  /** Microseconds that packets may wait for more of their port; 0, the default, sends with every batch. */
  readonly txFlushUs: number;
}

export const OVS_DEFAULTS: OvsTuning = { emcInsertInverse: 100, txFlushUs: 0 };

export interface OvsOptions {
  /** Its sockets go into a new folder here. */
  readonly folder: string;
  /** CPU of its only poll thread, and of its other threads. */
  readonly cpu: number;
  /** vhost-user ports, named p0, p1 and so on. */
  readonly ports: number;
  readonly tuning: OvsTuning;
  /** Milliseconds after which it is killed. */
  readonly maxRunMs: number;
}

/** Throws VPCI_NO_OVS with advice when Open vSwitch with DPDK is missing. */
export function requireOvs(switches: readonly string[] = SWITCHES): void {
  if (switches.some(existsSync) && PROGRAMS.every(findProgram) && SCHEMAS.some(existsSync)) return;
  throw new PmdError(
    'VPCI_NO_OVS',
    'Open vSwitch with DPDK is not installed: apt-get install --no-install-recommends openvswitch-switch-dpdk ' +
      '(Debian 12)',
  );
}

/** "3.1.0". */
export async function ovsVersion(): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)('ovs-vsctl', ['--version']);
  return /\b\d+\.\d+\.\d+/.exec(stdout)?.[0];
}

let switches = 0;

export class OvsSwitch {
  readonly sockets: readonly string[];
  /** The switch itself: its busiest thread moves the packets. */
  readonly daemon: Child;
  readonly database: Child;
  readonly #options: OvsOptions;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;

  constructor(options: OvsOptions) {
    this.#options = options;
    this.#folder = join(options.folder, `o${switches++}`);
    mkdirSync(this.#folder);
    this.#env = Object.fromEntries(
      ['RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR'].map((name) => [`OVS_${name}`, this.#folder]),
    );
    this.sockets = Array.from({ length: options.ports }, (_, port) => this.#path(`p${port}`));
    this.database = this.#child('ovsdb-server', ['sh', '-c', DATABASE, 'sh', ...this.#databaseFiles()]);
    const remote = `unix:${this.#path('db.sock')}`;
    const program = SWITCHES.find(existsSync) ?? '';
    // Its tap devices have fixed names, so two switches need a network namespace each.
    const alone = [...onCpu(options.cpu), 'unshare', '--net'];
    const start = ['sh', '-c', DAEMON, 'sh', remote, program, this.#path('ctl'), ...this.#settings()];
    this.daemon = this.#child('ovs-vswitchd', [...alone, ...start]);
  }

  /** Resolves when guests can connect to all ports. */
  async start(): Promise<void> {
    const { ports } = this.#options;
    await this.database.until(() => existsSync(this.#path('db.sock')), START_MS, 'its socket');
    await this.daemon.until(() => existsSync(this.#path('ctl')), START_MS, 'its control socket');
    const affinity = `other_config:pmd-rxq-affinity="0:${this.#options.cpu}"`;
    const added = Array.from({ length: ports }, (_, port) => [
      ...['--', 'add-port', BRIDGE, `p${port}`],
      ...['--', 'set', 'Interface', `p${port}`, 'type=dpdkvhostuser', `ofport_request=${port + 1}`, affinity],
    ]);
    const bridge = [
      'add-br',
      BRIDGE,
      '--',
      'set',
      'Bridge',
      BRIDGE,
      'datapath_type=netdev',
      'fail-mode=secure',
    ];
    await this.#vsctl(...bridge, ...added.flat());
    await this.daemon.until(() => this.sockets.every(existsSync), START_MS, 'its ports');
    await this.#ofctl('del-flows', BRIDGE);
  }

  /** A flow in ovs-ofctl's words; ports are p0, p1 and so on. */
  addFlow(flow: string): Promise<unknown> {
    return this.#ofctl('add-flow', BRIDGE, flow);
  }

  /**
   * Cycles that a packet takes its poll thread, empty polls not counted, in so many seconds from now. They
   * are the TSC's: time in which the switch is stopped would count, too.
   */
  async cyclesPerPacket(seconds: number): Promise<number | undefined> {
    await this.#appctl('dpif-netdev/pmd-stats-clear');
    await sleep(1000 * seconds);
    return processingCycles(await this.#appctl('dpif-netdev/pmd-stats-show'));
  }

  async stop(): Promise<void> {
    await this.daemon.kill();
    await this.database.stop();
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #databaseFiles(): string[] {
    return [this.#path('conf.db'), SCHEMAS.find(existsSync) ?? '', this.#path('db.sock')];
  }

  #settings(): string[] {
    const { cpu, ports, tuning } = this.#options;
    const config = {
      'dpdk-init': 'true',
      'dpdk-socket-mem': `${MEMORY_MIB}`,
      'per-port-memory': `${ports <= FEW_PORTS}`,
      'pmd-cpu-mask': `0x${(1n << BigInt(cpu)).toString(16)}`,
      'dpdk-extra': '"--no-pci --no-telemetry --in-memory"',
      'emc-insert-inv-prob': `${tuning.emcInsertInverse}`,
      'tx-flush-interval': `${tuning.txFlushUs}`,
    };
    return Object.entries(config).map(([key, value]) => `other_config:${key}=${value}`);
  }

  #child(name: string, command: readonly string[]): Child {
    return new Child({ name, command, env: this.#env, maxRunMs: this.#options.maxRunMs });
  }

  /** Waits until the switch has done it. */
  #vsctl(...args: string[]): Promise<string> {
    const options = [`--db=unix:${this.#path('db.sock')}`, `--timeout=${START_MS / 1000}`];
    return this.#run('ovs-vsctl', ...options, ...args);
  }

  #ofctl(...args: string[]): Promise<string> {
    return this.#run('ovs-ofctl', ...args);
  }

  #appctl(command: string): Promise<string> {
    return this.#run('ovs-appctl', '-t', this.#path('ctl'), command);
  }

  async #run(program: string, ...args: string[]): Promise<string> {
    const env = { ...process.env, ...this.#env };
    try {
      return (await promisify(execFile)(program, args, { env, timeout: START_MS })).stdout;
    } catch (error) {
      const said =
        (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) || (error as Error).message;
      throw new PmdError('VPCI_CHILD', `${program} failed: ${said}`, { cause: error });
    }
  }
}

/** A fresh database: file, schema, socket. */
const DATABASE =
  'ovsdb-tool create "$1" "$2" && exec ovsdb-server "$1" --remote="punix:$3" --log-file=/dev/null';
/** DPDK's options are only read when the switch starts: they have to be in the database before. */
const DAEMON = `remote=$1 program=$2 control=$3; shift 3
until ovs-vsctl --no-wait --db="$remote" --timeout=1 init 2>/dev/null; do sleep 0.05; done
ovs-vsctl --no-wait --db="$remote" set Open_vSwitch . "$@" &&
exec "$program" "$remote" --unixctl="$control" --log-file=/dev/null`;

/** From the poll threads' part of pmd-stats-show. */
export function processingCycles(output: string): number | undefined {
  const found = /avg processing cycles per packet: ([\d.]+)/.exec(output)?.[1];
  return found === undefined ? undefined : Number(found);
}
