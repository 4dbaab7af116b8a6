// SPDX-License-Identifier: BSD-3-Clause
// The device model: composes the peer's side, the driver's side and the session between them, and negotiates
// features between the two sides.
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
import { describeFeatures, features, hasFeature } from '../../src/virtio/features.ts';
import { DISCONNECTED, departure } from '../socket/frame-reader.ts';
import { faultReason, guarded, type OnFault, runAll } from '../socket/guard.ts';
import { EventfdRoles } from './eventfd/eventfd-roles.ts';
import { NET_FEATURES, peerOnlyFeatures, VERSION_1 } from './function/features.ts';
import { type Log, logTo } from './log.ts';
import { DriverLink } from './session/driver-link.ts';
import { crossed } from './session/driver-port.ts';
import { KickRelays } from './session/kick-relays.ts';
import { DeviceSession } from './session/session.ts';
import { explainStray } from './socket/wrong-socket.ts';
import type { VhostState } from './vhost-commands.ts';
import { packRegions } from './vhost-user/bar-layout.ts';
import { type ConnectionHost, VhostUserConnection } from './vhost-user/connection.ts';
import { type Admission, PeerLink, type VhostUserMode } from './vhost-user/link.ts';
import { MAX_QUEUE_PAIRS } from './vhost-user/message.ts';
import type { ConnectedPeer } from './vhost-user/peer.ts';
import { ProtocolError } from './vhost-user/protocol-error.ts';

export { MAX_QUEUE_PAIRS };

export interface DeviceOptions {
  /** Path of the socket for the peer. */
  readonly vhostUser: string;
  /** Path of the socket for the driver. */
  readonly vfioUser: string;
  /** Who listens on the vhost-user socket: we (server, the default) or the peer. */
  readonly vhostUserMode?: VhostUserMode;
  /** Queue pairs, 1 to 128; default 1. */
  readonly queuePairs?: number;
  /** PCI subsystem id, default 21. */
  readonly subsystemId?: number;
  /** The bare function of RFC 2.0, without extensions. */
  readonly reference?: boolean;
  /** Net features to offer, a subset of NET_FEATURES; all by default. */
  readonly features?: bigint;
  /** Bytes of memory that a peer may share; by default what the machine has, including swap. */
  readonly maxPeerMemory?: number;
  /** Who may connect to the sockets that we listen on. */
  readonly socketAccess?: SocketAccess;
  /** Milliseconds that a connection has to introduce itself, and to complete a message that it has begun. */
  readonly handshakeMs?: number;
  /** Receives the log lines; they are discarded by default. */
  readonly log?: (line: string) => void;
  /** Log every message. */
  readonly verbose?: boolean;
}

export interface Device {
  /** Ends both connections, removes the sockets. Idempotent. */
  close(): void;
}

/**
 * Starts a device model on this thread's event loop. Throws PmdError for an invalid option or socket path.
 */
export function createDevice(options: DeviceOptions): Device & { readonly state: VhostState } {
  return new DeviceModel(options);
}

const EXTENSIONS = features(
  VHOST_PCI_F_SESSION,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_GATE,
  VHOST_PCI_F_LINK_REASON,
);

class DeviceModel implements Device {
  readonly #options: DeviceOptions;
  readonly #log: Log;
  readonly #queuePairs: number;
  readonly #reference: boolean;
  readonly #netFeatures: bigint;
  readonly #maxPeerMemory: number;
  readonly #eventfds = new EventfdRoles();
  readonly #driver: DriverLink;
  readonly #session: DeviceSession;
  readonly #kicks: KickRelays;
  readonly #peerLink: PeerLink;
  #connection: VhostUserConnection | null = null;
  #closed = false;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#log = logTo(options.log ?? (() => {}), options.verbose ?? false);
    this.#queuePairs = options.queuePairs ?? 1;
    if (!Number.isInteger(this.#queuePairs) || this.#queuePairs < 1 || this.#queuePairs > MAX_QUEUE_PAIRS) {
      throw new PmdError('VPCI_USAGE', `${this.#queuePairs} queue pairs: choose 1 to ${MAX_QUEUE_PAIRS}`);
    }
    this.#reference = options.reference ?? false;
    this.#netFeatures = ((options.features ?? NET_FEATURES) & NET_FEATURES) | VERSION_1;
    this.#maxPeerMemory = options.maxPeerMemory ?? machineBytes();
    const { vhostUser, vhostUserMode = 'server', socketAccess = {} } = options;
    this.#driver = this.#makeDriverLink(socketAccess);
    this.#session = new DeviceSession(this.#driver, this.#log);
    this.#kicks = new KickRelays(this.#driver, this.#log, this.#endsPeer);
    const connected = (fd: number) => this.#peerConnected(fd);
    this.#peerLink = new PeerLink(vhostUser, vhostUserMode, socketAccess, connected, this.#log);
    this.#open();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll(
      (error) => this.#log.event(faultReason(error)),
      () => this.#peerLink.close(),
      () => this.#connection?.close('the device model is stopping'),
      () => this.#driver.close(),
      () => this.#session.close(),
      () => this.#log.close(),
    );
  }

  /** For telemetry. */
  get state(): VhostState {
    const device = this;
    return {
      driver: this.#driver,
      get peer() {
        return device.#peer;
      },
      get messages() {
        return device.#connection?.messages ?? new Map();
      },
    };
  }

  get #peer(): ConnectedPeer | null {
    return this.#connection?.peer ?? null;
  }

  #open(): void {
    try {
      this.#peerLink.open();
      if (!this.#reference) this.#driver.listen();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  // --- the driver
  // ---------------------------------------------------------------------------------------------------

  #makeDriverLink(access: SocketAccess): DriverLink {
    const { vfioUser, vhostUser, handshakeMs, subsystemId = VHOST_PCI_SUBSYSTEM_ID } = this.#options;
    const sockets = { vfioUser, access, handshakeMs, peersSocket: vhostUser };
    return new DriverLink(
      { ...sockets, subsystemId, queuePairs: this.#queuePairs, eventfds: this.#eventfds },
      {
        memoryFiles: () => this.#peer?.bars ?? new Map(),
        offeredFeatures: () => this.#offeredToDriver(),
        acceptFeatures: (accepted) => this.#acceptDriverFeatures(accepted),
        notified: (queue) => this.#callPeer(queue),
      },
      this.#log,
    );
  }

  #offeredToDriver(): bigint {
    if (this.#reference) return (this.#peer?.features ?? 0n) & this.#netFeatures;
    return this.#netFeatures | EXTENSIONS;
  }

  #acceptDriverFeatures(accepted: bigint): boolean {
    const peer = this.#peer;
    const session = hasFeature(accepted, VHOST_PCI_F_SESSION);
    if (!session && hasFeature(accepted, VHOST_PCI_F_GATE)) {
      this.#log.event('refused a driver with GATE but without SESSION');
      return false;
    }
    if (!session && peer) {
      const packed = packRegions(peer.memory.regions);
      if (typeof packed === 'string') {
        this.#log.event(`refused a driver without SESSION: ${packed}`);
        return false;
      }
    }
    const excess = peer ? peer.features & this.#netFeatures & ~accepted : 0n;
    // The session has no driver yet, so there is nothing to stop.
    if (excess !== 0n) this.#connection?.close(notTaken(excess));
    return true;
  }

  /** Forwards a driver's notification of a data queue to the call descriptor of the crossed ring. */
  #callPeer(queue: number): void {
    const fd = this.#peer?.rings[crossed(queue)]?.callFd ?? -1;
    if (fd >= 0) guarded(() => native.eventfdSignal(fd), this.#endsPeer);
  }

  // --- the peer
  // -----------------------------------------------------------------------------------------------------

  #peerConnected(fd: number): Admission {
    // A peer that reconnects at once may arrive before the end of its old connection has been read.
    if (this.#connection?.hungUp) this.#connection.close(DISCONNECTED);
    if (this.#connection) return this.#connection.introduced ? 'refused' : 'wait';
    this.#log.event('peer connected');
    const { handshakeMs } = this.#options;
    const connection = new VhostUserConnection(fd, this.#queuePairs, this.#connectionHost(), handshakeMs);
    this.#connection = connection;
    guarded(() => this.#session.setPeer(connection.peer), this.#endsPeer);
    return 'taken';
  }

  #connectionHost(): ConnectionHost {
    const device = this;
    return {
      maxPeerMemory: this.#maxPeerMemory,
      eventfds: this.#eventfds,
      session: this.#session,
      kicks: this.#kicks,
      log: this.#log,
      get offeredFeatures() {
        return device.#offeredToPeer();
      },
      acceptFeatures: (accepted) => this.#acceptPeerFeatures(accepted),
      changed: () => this.#peerChanged(),
      closed: (reason) => this.#peerGone(reason),
      onFault: this.#endsPeer,
      introduced: () => this.#peerLink.settled(),
      refused: (reason) => {
        this.#log.event(`refused the peer's ${reason}`);
        this.#session.peerRefused(reason);
      },
    };
  }

  /** The features that the driver accepted, or all that a driver could accept. */
  #offeredToPeer(): bigint {
    const { featuresOk, features } = this.#driver;
    const accepted = featuresOk && !this.#reference ? features : this.#netFeatures;
    return (this.#netFeatures & accepted) | peerOnlyFeatures(this.#queuePairs);
  }

  #acceptPeerFeatures(accepted: bigint): void {
    if (this.#reference && (accepted & VERSION_1) === 0n && accepted !== 0n) {
      this.#log.event('no link: a legacy peer (without VERSION_1) needs a device without --reference');
    }
    const { featuresOk, features } = this.#driver;
    const excess = featuresOk ? accepted & this.#netFeatures & ~features : 0n;
    if (excess !== 0n) throw new ProtocolError(notTaken(excess));
    this.#session.peerNegotiates();
  }

  #peerChanged(): void {
    this.#session.sync();
    // With --reference the function offers its peer's features as its own, and a function needs VERSION_1.
    if (this.#reference && this.#peer?.ready && !this.#peer.legacy) this.#listenForDrivers();
  }

  #listenForDrivers(): void {
    if (this.#driver.listening) return;
    try {
      this.#driver.listen();
    } catch (error) {
      this.#log.event((error as Error).message);
    }
  }

  #peerGone(cause: string): void {
    const reason = explainStray(cause, this.#options);
    this.#connection = null;
    this.#log.event(departure('peer', reason));
    runAll(
      this.#endsPeer,
      () => this.#kicks.close(),
      () => this.#session.setPeer(null, reason),
      () => this.#unplug(),
      () => this.#peerLink.lost(),
    );
  }

  /** An exception while serving the peer ends its connection, if that has not ended yet. */
  readonly #endsPeer: OnFault = (error) => {
    if (this.#connection) this.#connection.close(faultReason(error));
    else this.#log.event(`after the peer disconnected: ${faultReason(error)}`);
  };

  /** With --reference the function is unplugged together with its peer. */
  #unplug(): void {
    if (!this.#reference) return;
    this.#driver.stopListening();
    this.#driver.disconnect('its peer left');
  }
}

const notTaken = (excess: bigint) =>
  `VM1's driver does not accept ${describeFeatures(excess)}, which VM2's driver uses: restart VM2's driver, or enable it in VM1's driver`;
