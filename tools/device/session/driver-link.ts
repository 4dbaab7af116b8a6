// SPDX-License-Identifier: BSD-3-Clause
// The driver's side: the PCI function with its vfio-user server, the control queue, and the parts of the
// driver's memory that are in use.
//
// A peer's message often leads here, but the peer is not at fault when something on the driver's side throws:
// that ends the driver's connection.
import { VHOST_PCI_F_GATE } from '../../../src/abi/vhost-pci.ts';
import { hasFeature } from '../../../src/virtio/features.ts';
import { faultReason, guarded, type OnFault, runAll } from '../../socket/guard.ts';
import type { EventfdRoles } from '../eventfd/eventfd-roles.ts';
import { VERSION_1 } from '../function/features.ts';
import { PciFunction } from '../function/pci-function.ts';
import type { LocalQueue } from '../function/virtio-registers.ts';
import type { Log } from '../log.ts';
import type { DmaMap } from '../vfio-user/dma-table.ts';
import { VfioUserServer, type VfioUserServerOptions } from '../vfio-user/server.ts';
import type { FileIdentity } from '../vhost-user/bar-layout.ts';
import type { MemoryFile } from '../vhost-user/memory-table.ts';
import type { PeerRing } from '../vhost-user/peer.ts';
import { ControlQueue } from './control-queue.ts';
import { DriverGates } from './driver-gates.ts';
import { DriverMemory } from './driver-memory.ts';
import { crossed, type DriverEvents, type DriverPort } from './driver-port.ts';
import { DriverPositions, type PositionWords } from './driver-positions.ts';

export interface DriverLinkOptions extends VfioUserServerOptions {
  /** Path of the vfio-user socket. */
  readonly vfioUser: string;
  readonly queuePairs: number;
  readonly subsystemId: number;
  readonly eventfds: EventfdRoles;
}

/** Callbacks that depend on the peer. */
export interface DriverLinkHost {
  /** The files that the memory BARs show now. */
  memoryFiles(): ReadonlyMap<number, MemoryFile>;
  offeredFeatures(): bigint;
  /** False refuses FEATURES_OK. */
  acceptFeatures(features: bigint): boolean;
  /** The driver rang the doorbell of a data queue. */
  notified(queue: number): void;
}

export class DriverLink implements DriverPort {
  readonly #log: Log;
  readonly #function: PciFunction;
  readonly #server: VfioUserServer;
  readonly #controlQueue: ControlQueue;
  readonly #controlIndex: number;
  #events: DriverEvents | null = null;
  #memory: DriverMemory | null = null;
  #positions: DriverPositions | null = null;
  #gates: DriverGates | null = null;

  constructor(options: DriverLinkOptions, host: DriverLinkHost, log: Log) {
    this.#log = log;
    this.#controlIndex = 2 * options.queuePairs;
    this.#function = this.#makeFunction(options, host);
    this.#server = new VfioUserServer(options.vfioUser, this.#function, log, options);
    this.#controlQueue = new ControlQueue({
      onMessage: (message) => this.#events?.handleMessage(message),
      interrupt: () => this.#function.virtio.interruptQueue(this.#controlIndex),
      onError: (reason) => this.#fail(reason),
    });
  }

  get ready(): boolean {
    return this.#function.virtio.driverReady && this.#controlQueue.running;
  }

  get features(): bigint {
    return this.#function.virtio.driverFeatures;
  }

  /** FEATURES_OK is set. */
  get featuresOk(): boolean {
    return this.#function.virtio.featuresOk;
  }

  get drained(): boolean {
    return this.#controlQueue.drained;
  }

  get gates(): DriverGates | null {
    return this.#gates;
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  attach(events: DriverEvents): void {
    this.#events = events;
  }

  /** Throws when the path cannot be used. */
  listen(): void {
    this.#server.listen();
  }

  stopListening(): void {
    this.#server.stopListening();
  }

  close(): void {
    runAll(
      (error) => this.#log.event(faultReason(error)),
      () => this.#server.close(),
      () => this.#controlQueue.close(),
      () => this.#dropMemory(),
      () => this.#function.close(),
    );
  }

  send(message: Uint8Array): void {
    guarded(() => this.#controlQueue.send(message), this.#disconnects);
  }

  setLink(up: boolean): void {
    guarded(() => this.#setLink(up), this.#disconnects);
  }

  interrupt(queue: number): void {
    guarded(() => this.#function.virtio.interruptQueue(queue), this.#disconnects);
  }

  fail(reason: string): void {
    guarded(() => this.#fail(reason), this.#disconnects);
  }

  disconnect(reason: string): void {
    this.#server.disconnect(reason);
  }

  showsToClient(files: ReadonlyMap<number, FileIdentity>): boolean {
    return this.#function.showsToClient(files);
  }

  positionIn(ring: PeerRing): PositionWords | null {
    return this.#positions?.read(crossed(ring.index)) ?? null;
  }

  /** An exception while serving the driver ends its connection, if that has not ended yet. */
  readonly #disconnects: OnFault = (error) => {
    if (this.#server.connected) this.#server.disconnect(faultReason(error));
    else this.#log.event(`after the driver disconnected: ${faultReason(error)}`);
  };

  #makeFunction({ queuePairs, subsystemId, eventfds }: DriverLinkOptions, host: DriverLinkHost): PciFunction {
    return new PciFunction({
      queuePairs,
      subsystemId,
      eventfds,
      memoryFiles: () => host.memoryFiles(),
      dmaUnmapping: (maps) => this.#dmaUnmapping(maps),
      onFault: this.#disconnects,
      hooks: {
        offeredFeatures: () => host.offeredFeatures(),
        acceptFeatures: (features) => host.acceptFeatures(features),
        driverOk: () => this.#startControlQueue(),
        queueEnabled: (queue) => {
          if (queue === this.#controlIndex) this.#startControlQueue();
        },
        driverGone: () => this.#driverGone(),
        notified: (queue) => (queue === this.#controlIndex ? this.#pollControlQueue() : host.notified(queue)),
      },
    });
  }

  #startControlQueue(): void {
    const { virtio } = this.#function;
    const queue = virtio.queues[this.#controlIndex];
    if (!queue?.enabled || !virtio.driverReady || this.#controlQueue.running) return;
    this.#dropMemory();
    try {
      const memory = this.#openMemory();
      this.#controlQueue.start({
        desc: queue.queue_desc,
        avail: queue.queue_driver,
        used: queue.queue_device,
        size: queue.size,
        features: VERSION_1,
        memory,
      });
    } catch (error) {
      this.#fail(`the control queue cannot be used: ${(error as Error).message}`);
      return;
    }
    this.#log.event('driver ready');
    this.#pollControlQueue();
  }

  /** Throws when the gate words cannot be reached. */
  #openMemory(): DriverMemory {
    const { virtio, dma } = this.#function;
    const memory = new DriverMemory(() => dma.maps);
    this.#memory = memory;
    const driverArea = ({ enabled, queue_driver }: LocalQueue) => (enabled ? queue_driver : null);
    const areas = virtio.queues.slice(0, this.#controlIndex).map(driverArea);
    this.#positions = new DriverPositions(memory, areas);
    if (hasFeature(this.features, VHOST_PCI_F_GATE)) this.#gates = new DriverGates(memory, areas);
    if (this.#gates?.complete === false) throw new Error('the device cannot reach the gate words');
    return memory;
  }

  /** Only after the session has read the driver's positions and the control queue has stopped. */
  #dropMemory(): void {
    this.#controlQueue.stop();
    this.#gates?.unmap();
    this.#memory?.close();
    this.#memory = this.#positions = this.#gates = null;
  }

  #pollControlQueue(): void {
    this.#controlQueue.poll();
    this.#events?.sync();
  }

  #driverGone(): void {
    runAll(
      this.#disconnects,
      () => this.#controlQueue.stop(),
      () => this.#events?.driverGone(),
      () => this.#dropMemory(),
    );
  }

  #fail(reason: string): void {
    this.#log.event(`driver failed: ${reason}`);
    this.#controlQueue.stop();
    this.#function.virtio.setLink(false);
    this.#function.virtio.needsReset();
    this.#events?.driverGone();
  }

  #dmaUnmapping(maps: readonly DmaMap[]): void {
    if (maps.some((map) => this.#controlQueue.uses(map))) this.#fail('it unmapped the control queue');
    if (maps.some((map) => this.#positions?.liesIn(map))) {
      if (this.#controlQueue.running) this.#fail('it unmapped its queues');
      // A driver that failed earlier may have kept working its rings.
      this.#events?.driverGone();
      this.#dropMemory();
    }
    this.#memory?.forget(maps);
  }

  #setLink(up: boolean): void {
    const { virtio } = this.#function;
    if (virtio.linkUp === up) return;
    virtio.setLink(up);
    this.#log.event(up ? 'link up' : 'link down');
  }
}
