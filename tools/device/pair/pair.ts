// SPDX-License-Identifier: BSD-3-Clause
// Two functions over memory of our own, each behind a vfio-user socket for one driver. A fault of one
// driver's session ends that session only.
import { PmdError } from '../../../src/errors.ts';
import type { SocketAccess } from '../../../src/native.ts';
import { faultReason, guarded, runAll } from '../../socket/guard.ts';
import { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import { MemoryFunction, type MemoryFunctionOptions } from '../function/memory-function.ts';
import { type Log, labelled, logTo } from '../log.ts';
import { VfioUserServer } from '../vfio-user/server.ts';
import { MAX_QUEUE_PAIRS } from '../vhost-user/message.ts';
import { checkSharedBytes, DEFAULT_SHARED_BYTES, type SharedFile } from './memory.ts';

export interface PairOptions {
  /** Paths of the two sockets. */
  readonly vfioUser: readonly [string, string];
  /** Bytes of memory, a power of two. */
  readonly size?: number;
  /** Queue pairs, 1 to 128: a vector for each, and one for the states. */
  readonly queuePairs?: number;
  readonly socketAccess?: SocketAccess;
  /** Milliseconds that a connection has to introduce itself. */
  readonly handshakeMs?: number;
  readonly log?: (line: string) => void;
  readonly verbose?: boolean;
}

/** The options with their defaults, checked. */
export interface PairSettings {
  readonly bytes: number;
  readonly vectors: number;
}

/** What one kind of function adds to a side. */
export type SideFunction = Pick<
  MemoryFunctionOptions,
  'identity' | 'vectors' | 'capabilities' | 'registers' | 'memory' | 'doorbells'
> & {
  /** Our driver left, or reset the function. */
  reset(): void;
  /** The other side's driver came or left. */
  peerChanged(): void;
};

/** One function and its driver. */
export class Side {
  readonly path: string;
  readonly function: MemoryFunction;
  readonly server: VfioUserServer;
  readonly #log: Log;
  readonly #kind: SideFunction;
  #other: Side | null = null;
  #connected = false;

  constructor(
    path: string,
    make: (side: Side) => SideFunction,
    eventfds: EventfdRoles,
    options: PairOptions,
    log: Log,
  ) {
    this.path = path;
    this.#log = labelled(log, path);
    this.#kind = make(this);
    this.function = new MemoryFunction({
      ...this.#kind,
      reset: () => this.#kind.reset(),
      eventfds,
      attached: () => this.#changed(true),
      detached: () => this.#changed(false),
      onFault: (error) => this.#disconnect(error),
    });
    this.server = new VfioUserServer(path, this.function, this.#log, {
      access: options.socketAccess ?? {},
      handshakeMs: options.handshakeMs,
      peersSocket: 'a device model with --vhost-user',
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  get other(): Side {
    if (!this.#other) throw new Error('a side without another');
    return this.#other;
  }

  join(other: Side): void {
    this.#other = other;
  }

  raise(vector: number): void {
    guarded(
      () => this.function.irqs.raise(vector),
      (error) => this.#disconnect(error),
    );
  }

  peerChanged(): void {
    guarded(
      () => this.#kind.peerChanged(),
      (error) => this.#disconnect(error),
    );
  }

  close(): void {
    runAll(
      (error) => this.#log.event(faultReason(error)),
      () => this.server.close(),
      () => this.function.close(),
    );
  }

  #changed(connected: boolean): void {
    this.#connected = connected;
    this.other.peerChanged();
  }

  #disconnect(error: unknown): void {
    if (this.server.connected) this.server.disconnect(faultReason(error));
    else this.#log.event(`after the driver disconnected: ${faultReason(error)}`);
  }
}

export class FunctionPair {
  readonly #sides: readonly Side[];
  readonly #files: readonly SharedFile[];
  readonly #log: Log;
  #closed = false;

  /** Listens on both sockets. Owns the files, even if it throws. */
  constructor(
    options: PairOptions,
    files: readonly SharedFile[],
    make: (side: Side, id: 0 | 1) => SideFunction,
  ) {
    this.#files = files;
    this.#log = logTo(options.log ?? (() => {}), options.verbose ?? false);
    const eventfds = new EventfdRoles();
    const side = (id: 0 | 1) =>
      new Side(options.vfioUser[id], (made) => make(made, id), eventfds, options, this.#log);
    const [a, b] = [side(0), side(1)];
    a.join(b);
    b.join(a);
    this.#sides = [a, b];
    try {
      for (const { server } of this.#sides) server.listen();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends both connections, removes the sockets. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const side of this.#sides) side.close();
    for (const file of this.#files) file.close();
    this.#log.close();
  }
}

export function pairSettings({ size = DEFAULT_SHARED_BYTES, queuePairs = 1 }: PairOptions): PairSettings {
  checkSharedBytes(size);
  if (!Number.isInteger(queuePairs) || queuePairs < 1 || queuePairs > MAX_QUEUE_PAIRS)
    throw new PmdError('VPCI_USAGE', `${queuePairs} queue pairs: choose 1 to ${MAX_QUEUE_PAIRS}`);
  return { bytes: size, vectors: 1 + queuePairs };
}
