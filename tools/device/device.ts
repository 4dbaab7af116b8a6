// SPDX-License-Identifier: BSD-3-Clause
// The device model: joins the vhost-user back-end, the PCI function with its control queue, and the session between them.
import {
  VHOST_PCI_F_GATE,
  VHOST_PCI_F_LINK_REASON,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
  VHOST_PCI_SUBSYSTEM_ID,
} from '../../src/abi/vhost-pci.ts';
import { PmdError } from '../../src/errors.ts';
import { machineBytes } from '../../src/machine-memory.ts';
import { native, type SocketAccess } from '../../src/native.ts';
import { describeFeatures, features } from '../../src/virtio/features.ts';
import { DISCONNECTED } from '../socket/framed-socket.ts';
import { faultReason, guarded, type OnFault, runAll } from '../socket/guard.ts';
import { EventRelay } from './eventfd/event-relay.ts';
import { EventfdRoles } from './eventfd/eventfd-roles.ts';
import { NET_FEATURES, peerOnlyFeatures, VERSION_1 } from './function/features.ts';
import { PciFunction } from './function/pci-function.ts';
import { type Log, logTo } from './log.ts';
import { ControlQueue } from './session/control-queue.ts';
import { DriverGates } from './session/driver-gates.ts';
import { DriverMemory } from './session/driver-memory.ts';
import { DriverPositions } from './session/driver-positions.ts';
import { crossed, DeviceSession } from './session/session.ts';
import { explainStray, type Sockets } from './socket/wrong-socket.ts';
import type { DmaMap } from './vfio-user/dma-table.ts';
import { VfioUserServer } from './vfio-user/server.ts';
import { type BackendHost, VhostUserBackend } from './vhost-user/backend.ts';
import { packRegions } from './vhost-user/bar-layout.ts';
import { type Admission, PeerLink, type VhostUserMode } from './vhost-user/link.ts';
import { MAX_QUEUE_PAIRS } from './vhost-user/messages.ts';
import type { ConnectedPeer, PeerRing } from './vhost-user/peer.ts';
import { ProtocolError } from './vhost-user/protocol-error.ts';

export { MAX_QUEUE_PAIRS };

export interface DeviceOptions {
  /** Socket towards the peer. */
  readonly vhostUser: string;
  /** Socket towards the driver. */
  readonly vfioUser: string;
  /** Who listens on the vhost-user socket: we (server, the default) or the peer. */
  readonly vhostUserMode?: VhostUserMode;
  /** Queue pairs, 1 to 128; default 1. */
  readonly queuePairs?: number;
  /** PCI subsystem id, default 21. */
  readonly subsystemId?: number;
  /** Neither extension: the bare function of RFC 2.0. */
  readonly reference?: boolean;
  /** Net features to offer, of NET_FEATURES; all by default. */
  readonly features?: bigint;
  /** Bytes of memory that a peer may show; by default what the machine has, swap included. */
  readonly maxPeerMemory?: number;
  /** Who may connect to the sockets that we listen on. */
  readonly socketAccess?: SocketAccess;
  /** Milliseconds that a connection has to introduce itself, and to end a message that it has begun. */
  readonly handshakeMs?: number;
  /** Takes the log lines; nothing by default. */
  readonly log?: (line: string) => void;
  /** Log every message. */
  readonly verbose?: boolean;
}

export interface Device {
  /** Ends both connections, removes the sockets. Idempotent. */
  close(): void;
}

/** Starts a device model on this thread's event loop. Throws PmdError when an option or a socket path is no good. */
export function createDevice(options: DeviceOptions): Device {
  return new DeviceModel(options);
}

const bit = (feature: number): bigint => 1n << BigInt(feature);

class DeviceModel implements Device {
  readonly #log: Log;
  readonly #queuePairs: number;
  readonly #reference: boolean;
  readonly #netFeatures: bigint;
  readonly #maxPeerMemory: number;
  readonly #function: PciFunction;
  readonly #controlQueue: ControlQueue;
  readonly #session: DeviceSession;
  readonly #server: VfioUserServer;
  readonly #peerLink: PeerLink;
  readonly #handshakeMs: number | undefined;
  readonly #sockets: Sockets;
  #driverMemory: DriverMemory | null = null;
  #positions: DriverPositions | null = null;
  #gates: DriverGates | null = null;
  #backend: VhostUserBackend | null = null;
  readonly #eventfds = new EventfdRoles();
  readonly #kicks = new Map<number, EventRelay>();
  #closed = false;

  constructor(options: DeviceOptions) {
    this.#log = logTo(options.log ?? (() => {}), options.verbose ?? false);
    this.#queuePairs = options.queuePairs ?? 1;
    if (!Number.isInteger(this.#queuePairs) || this.#queuePairs < 1 || this.#queuePairs > MAX_QUEUE_PAIRS) {
      throw new PmdError('VPCI_USAGE', `${this.#queuePairs} queue pairs: choose 1 to ${MAX_QUEUE_PAIRS}`);
    }
    this.#reference = options.reference ?? false;
    this.#netFeatures = ((options.features ?? NET_FEATURES) & NET_FEATURES) | VERSION_1;
    this.#maxPeerMemory = options.maxPeerMemory ?? machineBytes();
    this.#function = this.#makeFunction(options.subsystemId ?? VHOST_PCI_SUBSYSTEM_ID);
    this.#controlQueue = new ControlQueue({
      onMessage: (message) => this.#session.handleMessage(message),
      interrupt: () => this.#function.virtio.interruptQueue(this.#controlIndex),
      onError: (reason) => this.#failDriver(reason),
    });
    this.#session = new DeviceSession(this.#driverPort(), this.#log);
    const { socketAccess = {}, handshakeMs } = options;
    this.#handshakeMs = handshakeMs;
    this.#sockets = options;
    this.#server = new VfioUserServer(options.vfioUser, this.#function, this.#log, {
      access: socketAccess,
      handshakeMs,
      peersSocket: options.vhostUser,
    });
    this.#peerLink = new PeerLink(
      options.vhostUser,
      options.vhostUserMode ?? 'server',
      socketAccess,
      (fd) => this.#peerConnected(fd),
      this.#log,
    );
    this.#open();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll(
      (error) => this.#log.event(faultReason(error)),
      () => this.#peerLink.close(),
      () => this.#backend?.close('the device model stops'),
      () => this.#server.close(),
      () => this.#controlQueue.close(),
      () => this.#dropDriverMemory(),
      () => this.#function.close(),
      () => this.#session.close(),
      () => this.#log.close(),
    );
  }

  get #controlIndex(): number {
    return 2 * this.#queuePairs;
  }

  get #peer(): ConnectedPeer | null {
    return this.#backend?.peer ?? null;
  }

  #open(): void {
    try {
      this.#peerLink.open();
      if (!this.#reference) this.#server.listen();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  // --- the driver ---------------------------------------------------------------------------------------------------

  #makeFunction(subsystemId: number): PciFunction {
    return new PciFunction({
      queuePairs: this.#queuePairs,
      subsystemId,
      memoryFiles: () => this.#peer?.bars ?? new Map(),
      dmaUnmapping: (maps) => this.#dmaUnmapping(maps),
      eventfds: this.#eventfds,
      onFault: this.#endsDriver,
      hooks: {
        offeredFeatures: () => this.#offeredToDriver(),
        acceptFeatures: (features) => this.#acceptDriverFeatures(features),
        driverOk: () => this.#startControlQueue(),
        queueEnabled: (queue) => {
          if (queue === this.#controlIndex) this.#startControlQueue();
        },
        driverGone: () => this.#driverGone(),
        notified: (queue) => this.#notified(queue),
      },
    });
  }

  #driverPort() {
    const device = this;
    return {
      get ready() {
        return device.#function.virtio.driverReady && device.#controlQueue.running;
      },
      get features() {
        return device.#function.virtio.driverFeatures;
      },
      get drained() {
        return device.#controlQueue.drained;
      },
      // A peer's message often leads here, and is not at fault when the driver's side fails.
      send: (message: Uint8Array) => guarded(() => device.#controlQueue.send(message), device.#endsDriver),
      setLink: (up: boolean) => guarded(() => device.#setLink(up), device.#endsDriver),
      fail: (reason: string) => guarded(() => device.#failDriver(reason), device.#endsDriver),
      disconnect: (reason: string) => device.#server.disconnect(reason),
      get gates() {
        return device.#gates;
      },
      showsToClient: (files: ConnectedPeer['bars']) => device.#function.showsToClient(files),
      positionIn: (ring: PeerRing) => device.#positions?.read(crossed(ring.index)) ?? null,
    };
  }

  #offeredToDriver(): bigint {
    if (this.#reference) return (this.#peer?.features ?? 0n) & this.#netFeatures;
    return (
      this.#netFeatures |
      features(VHOST_PCI_F_SESSION, VHOST_PCI_F_REMAP, VHOST_PCI_F_GATE, VHOST_PCI_F_LINK_REASON)
    );
  }

  #acceptDriverFeatures(features: bigint): boolean {
    const peer = this.#peer;
    const session = (features & bit(VHOST_PCI_F_SESSION)) !== 0n;
    if (!session && (features & bit(VHOST_PCI_F_GATE)) !== 0n) {
      this.#log.event('a driver with GATE and without SESSION refused');
      return false;
    }
    if (!session && peer) {
      const packed = packRegions(peer.memory.regions);
      if (typeof packed === 'string') {
        this.#log.event(`a driver without SESSION refused: ${packed}`);
        return false;
      }
    }
    const excess = peer ? peer.features & this.#netFeatures & ~features : 0n;
    if (excess !== 0n) {
      // The driver is not there yet for the session, so nothing needs stopping.
      this.#backend?.close(notTaken(excess));
    }
    return true;
  }

  #startControlQueue(): void {
    const { virtio, dma } = this.#function;
    const queue = virtio.queues[this.#controlIndex];
    if (!queue?.enabled || !virtio.driverReady || this.#controlQueue.running) return;
    this.#dropDriverMemory();
    try {
      const memory = new DriverMemory(() => dma.maps);
      this.#driverMemory = memory;
      const data = virtio.queues.slice(0, this.#controlIndex);
      const areas = data.map((q) => (q.enabled ? q.queue_driver : null));
      this.#positions = new DriverPositions(memory, areas);
      if (virtio.driverFeatures & bit(VHOST_PCI_F_GATE)) this.#gates = new DriverGates(memory, areas);
      if (this.#gates?.complete === false)
        throw new Error('gate words lie where the device cannot reach them');
      this.#controlQueue.start({
        desc: queue.queue_desc,
        avail: queue.queue_driver,
        used: queue.queue_device,
        size: queue.size,
        features: VERSION_1,
        memory,
      });
    } catch (error) {
      this.#failDriver(`the control queue cannot be used: ${(error as Error).message}`);
      return;
    }
    this.#log.event('driver ready');
    this.#controlQueue.poll();
    this.#session.sync();
  }

  #driverGone(): void {
    runAll(
      this.#endsDriver,
      () => this.#controlQueue.stop(),
      () => this.#session.driverGone(),
      () => this.#dropDriverMemory(),
    );
  }

  /** What has thrown while it worked for the driver: its connection ends, if it has not ended yet. */
  readonly #endsDriver: OnFault = (error) => {
    if (this.#server.connected) this.#server.disconnect(faultReason(error));
    else this.#log.event(`after the driver left: ${faultReason(error)}`);
  };

  /** After the session has read where the driver stands, and the control queue has let go. */
  #dropDriverMemory(): void {
    this.#controlQueue.stop();
    this.#gates?.unmap();
    this.#driverMemory?.close();
    this.#driverMemory = this.#positions = this.#gates = null;
  }

  #failDriver(reason: string): void {
    this.#log.event(`driver failed: ${reason}`);
    this.#controlQueue.stop();
    this.#function.virtio.setLink(false);
    this.#function.virtio.needsReset();
    this.#session.driverGone();
  }

  #dmaUnmapping(maps: readonly DmaMap[]): void {
    if (maps.some((map) => this.#controlQueue.uses(map))) this.#failDriver('it unmapped the control queue');
    if (maps.some((map) => this.#positions?.liesIn(map))) {
      if (this.#controlQueue.running) this.#failDriver('it unmapped its queues');
      // One that failed before may have gone on for a while.
      this.#session.driverGone();
      this.#dropDriverMemory();
    }
    this.#driverMemory?.forget(maps);
  }

  #setLink(up: boolean): void {
    const { virtio } = this.#function;
    if (virtio.linkUp === up) return;
    virtio.setLink(up);
    this.#log.event(up ? 'link up' : 'link down');
  }

  /** A notification register: the control queue's is ours, the others cross over to the peer's call descriptors. */
  #notified(queue: number): void {
    if (queue === this.#controlIndex) {
      this.#controlQueue.poll();
      this.#session.sync();
      return;
    }
    const fd = this.#peer?.rings[crossed(queue)]?.callFd ?? -1;
    if (fd >= 0) guarded(() => native.eventfdSignal(fd), this.#endsPeer);
  }

  // --- the peer -----------------------------------------------------------------------------------------------------

  #peerConnected(fd: number): Admission {
    // One that reconnects at once may be here before the end of its old connection was read.
    if (this.#backend?.hungUp) this.#backend.close(DISCONNECTED);
    if (this.#backend) return this.#backend.introduced ? 'refused' : 'wait';
    this.#log.event('peer connected');
    const backend = new VhostUserBackend(fd, this.#queuePairs, this.#backendHost(), this.#handshakeMs);
    this.#backend = backend;
    guarded(() => this.#session.setPeer(backend.peer), this.#endsPeer);
    return 'taken';
  }

  #backendHost(): BackendHost {
    const device = this;
    return {
      maxPeerMemory: this.#maxPeerMemory,
      eventfds: this.#eventfds,
      get offeredFeatures() {
        return device.#offeredToPeer();
      },
      acceptFeatures: (features) => this.#acceptPeerFeatures(features),
      stopRings: (rings) => this.#session.stopRings(rings),
      watchKick: (ring) => this.#watchKick(ring),
      unwatchKick: (ring) => this.#unwatchKick(ring),
      changed: () => this.#peerChanged(),
      closed: (reason) => this.#peerGone(reason),
      onFault: this.#endsPeer,
      introduced: () => this.#peerLink.settled(),
      refused: (reason) => {
        this.#log.event(`refused the peer's ${reason}`);
        this.#session.peerRefused(reason);
      },
      trace: (line) => this.#log.trace(`peer: ${line}`),
    };
  }

  /** What a driver accepted, or all that one could. */
  #offeredToPeer(): bigint {
    const { virtio } = this.#function;
    const accepted = virtio.featuresOk && !this.#reference ? virtio.driverFeatures : this.#netFeatures;
    return (this.#netFeatures & accepted) | peerOnlyFeatures(this.#queuePairs);
  }

  #acceptPeerFeatures(features: bigint): void {
    if (this.#reference && (features & VERSION_1) === 0n && features !== 0n) {
      this.#log.event('no link: a legacy peer (without VERSION_1) needs a device without --reference');
    }
    const { virtio } = this.#function;
    const excess = virtio.featuresOk ? features & this.#netFeatures & ~virtio.driverFeatures : 0n;
    if (excess !== 0n) throw new ProtocolError(notTaken(excess));
    this.#session.peerNegotiates();
  }

  #peerChanged(): void {
    this.#session.sync();
    // The reference shows the features of its peer as its own, and a function without VERSION_1 there is none.
    if (this.#reference && this.#peer?.ready && !this.#peer.legacy) this.#listenForDrivers();
  }

  #listenForDrivers(): void {
    if (this.#server.listening) return;
    try {
      this.#server.listen();
    } catch (error) {
      this.#log.event((error as Error).message);
    }
  }

  #peerGone(cause: string): void {
    const reason = explainStray(cause, this.#sockets);
    this.#backend = null;
    this.#log.event(`peer left: ${reason}`);
    runAll(
      this.#endsPeer,
      () => this.#closeKicks(),
      () => this.#session.setPeer(null, reason),
      () => this.#unplug(),
      () => this.#peerLink.lost(),
    );
  }

  /** What has thrown while it worked for the peer: its connection ends, if it has not ended yet. */
  readonly #endsPeer: OnFault = (error) => {
    if (this.#backend) this.#backend.close(faultReason(error));
    else this.#log.event(`after the peer left: ${faultReason(error)}`);
  };

  #closeKicks(): void {
    for (const relay of this.#kicks.values()) relay.close();
    this.#kicks.clear();
  }

  /** The reference unplugs the function with its peer. */
  #unplug(): void {
    if (!this.#reference) return;
    this.#server.stopListening();
    this.#server.disconnect('its peer left');
  }

  #watchKick(ring: PeerRing): void {
    this.#unwatchKick(ring);
    const interrupt = () => this.#function.virtio.interruptQueue(crossed(ring.index));
    const raise = () => guarded(interrupt, this.#endsDriver);
    const broken = () => this.#log.event(`the kick descriptor of ring ${ring.index} is no good`);
    this.#kicks.set(ring.index, new EventRelay(ring.kickFd, raise, broken, this.#endsPeer));
    // A kick on the descriptor before this one may not have been seen, and a driver may sleep.
    raise();
  }

  #unwatchKick(ring: PeerRing): void {
    this.#kicks.get(ring.index)?.close();
    this.#kicks.delete(ring.index);
  }
}

const notTaken = (features: bigint) =>
  `VM1's driver does not take ${describeFeatures(features)}, which VM2's driver uses: start VM2's driver anew, or VM1's with it`;
