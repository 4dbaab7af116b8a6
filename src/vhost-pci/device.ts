// SPDX-License-Identifier: BSD-3-Clause
// The vhost-pci-net function, driver side: probe, initialisation, link changes, reset on request, removal. It
// runs on the event loop; the engines' bursts run in other threads and share only the addon with it.
//
// Device errors never throw into the event loop: they are counted and reported in one line, and the device is
// reset when it requests that or breaks its control ring.
import {
  VHOST_PCI_F_GATE,
  VHOST_PCI_F_LINK_REASON,
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
  VHOST_PCI_MEMORY_BARS,
  VHOST_PCI_VECTOR_CONFIG,
  VHOST_PCI_VECTOR_CTRL,
} from '../abi/vhost-pci.ts';
import { VIRTIO_F_VERSION_1, VRING_MAX_SIZE } from '../abi/virtio-ring.ts';
import { answers, NO_ANSWER } from '../bus/liveness.ts';
import type { DmaMemory, PciDevice } from '../bus/pci-device.ts';
import type { AlternateMapping } from '../engines/alternate-mapping.ts';
import type { EngineRole } from '../engines/carrier.ts';
import type { DeviceEvents, DeviceState, EngineDevice } from '../engines/device.ts';
import type { Engine } from '../engines/engine.ts';
import { EngineSet } from '../engines/engine-set.ts';
import { DATA_PATH_FEATURES } from '../engines/features.ts';
import { Link } from '../engines/link.ts';
import { RemoteMemory } from '../engines/remote-memory.ts';
import { failedTo, isLoss, PmdError } from '../errors.ts';
import { describeFeatures, type FeatureSet, features, hasFeature } from '../virtio/features.ts';
import { ModernTransport } from '../virtio/modern-transport.ts';
import { VhostPciCarrier } from './carrier.ts';
import { ControlQueue } from './control-queue.ts';
import { readNetConfig, requireVhostPci } from './function.ts';
import { allocateLocalQueues, setupLocalQueues } from './local-queues.ts';
import { VhostPciSession } from './session.ts';

/** After this number of resets requested by the device without a link in between, the driver gives up. */
const MAX_FRUITLESS_RESETS = 8;
/** A 64 KiB IP packet plus an Ethernet header: the maximum with segmentation offload. */
const MAX_PKT_LEN = 65_550;

export class VhostPciDevice implements EngineDevice {
  readonly queuePairs: number;
  readonly maxPktLen = MAX_PKT_LEN;
  readonly maxDescriptors = VRING_MAX_SIZE;
  readonly #engines: EngineSet;
  readonly #link: Link;
  readonly #session: VhostPciSession;
  readonly #carrier: VhostPciCarrier;
  readonly #pci: PciDevice;
  readonly #transport: ModernTransport;
  readonly #events: DeviceEvents;
  readonly #alternate: AlternateMapping | null;
  readonly #wanted: FeatureSet;
  readonly #maxPeerMemory: number | null;
  #localMemory: DmaMemory | null = null;
  #control: ControlQueue | null = null;
  #features: FeatureSet = 0n;
  #state: DeviceState = 'live';
  #resets = 0;
  #fruitlessResets = 0;

  /**
   * Probes and initialises; the device may send its first messages at once. Takes ownership of `pci`, and
   * closes it on error: throws VPCI_WRONG_DEVICE (not a vhost-pci-net function), or what the transport
   * throws. `alternate` replaces BAR 2; `wanted` are the features allowed for a peer, `maxPeerMemory` the
   * bytes of memory that it may have regardless of the cost to this process.
   */
  constructor(
    pci: PciDevice,
    events: DeviceEvents,
    alternate: AlternateMapping | null = null,
    wanted: FeatureSet = DATA_PATH_FEATURES,
    maxPeerMemory: number | null = null,
  ) {
    this.#pci = pci;
    this.#events = events;
    this.#alternate = alternate;
    this.#wanted = wanted & DATA_PATH_FEATURES;
    this.#maxPeerMemory = maxPeerMemory;
    try {
      requireVhostPci(pci);
      this.#transport = new ModernTransport(pci);
      this.queuePairs = readNetConfig(this.#transport).queuePairs;
      this.#carrier = new VhostPciCarrier(pci, this.queuePairs);
      const report = (line: string) => events.report(line);
      this.#engines = new EngineSet(this.#carrier, this.queuePairs, report);
      this.#link = new Link(() => this.#engines.wakeAll(), events);
      const answer = (message: Uint8Array) => this.#control?.send(message);
      this.#session = new VhostPciSession(this.#engines, this.#link, { report, answer });
    } catch (error) {
      pci.close();
      throw error;
    }
    try {
      pci.onRemoved((reason) => this.#removed(reason));
      this.#armInterrupts();
      this.#initialise();
    } catch (error) {
      this.close();
      throw error;
    }
    for (const note of pci.notes) events.report(note);
  }

  get name(): string {
    return this.#pci.name;
  }

  get state(): DeviceState {
    return this.#state;
  }

  /** Negotiated with the device. */
  get features(): FeatureSet {
    return this.#features;
  }

  get peerFeatures(): FeatureSet {
    return this.#engines.features;
  }

  get linkUp(): boolean {
    return this.#link.up;
  }

  get linkReason(): string {
    if (this.#link.up) return '';
    if (this.#state !== 'live') return `the device is ${this.#state}`;
    if (this.#link.reason !== '') return this.#link.reason;
    return this.#link.heard ? 'the device has not reported a reason' : 'waiting for the device';
  }

  /** Bytes of the peer's memory. */
  get remoteBytes(): bigint {
    return this.#session.memory?.bytes ?? 0n;
  }

  get peerMtu(): number {
    return this.#session.peerMtu;
  }

  get interrupts(): PciDevice['interrupts'] {
    return this.#pci.interrupts;
  }

  engine(role: EngineRole, pair: number): Engine {
    return this.#engines.engine(role, pair);
  }

  interruptFd(pair: number): number {
    return this.#carrier.interruptFd(pair);
  }

  startPort(queues: { readonly rx: number; readonly tx: number }): void {
    this.#engines.startPort(queues);
  }

  stopPort(): void {
    this.#engines.stopPort();
  }

  /** Number of malformed control messages. */
  get invalidMessages(): number {
    return this.#session.invalidMessages;
  }

  /** Number of times the device had to be reset. */
  get resets(): number {
    return this.#resets;
  }

  details(): [string, string | number][] {
    const { busName, systemCalls } = this.#pci;
    return [
      ['Bus', systemCalls === undefined ? busName : `${busName} (system calls by ${systemCalls})`],
      ['Device', this.name],
      ['Device state', this.#state],
      ...(this.linkUp ? [] : [['No link', this.linkReason] as [string, string]]),
      ['Device features', describeFeatures(this.#features)],
      ['Peer features', this.linkUp ? describeFeatures(this.peerFeatures) : 'none'],
      ['Queue pairs', this.queuePairs],
      ['Interrupts', this.interrupts],
      ['Remote memory (bytes)', Number(this.remoteBytes)],
      ['Remote memory type', this.#session.memory?.type ?? 'none'],
    ];
  }

  counters(): [string, number][] {
    const speed = this.#session.memory?.readSpeed;
    return [
      ['ctrl_invalid_messages', this.invalidMessages],
      ['device_resets', this.#resets],
      ['remote_memory_uncached', speed?.cacheType === 'uncached' ? 1 : 0],
      ['remote_memory_read_ns', Math.round(speed?.nsPerLine ?? 0)],
    ];
  }

  /** Stops the engines, resets the device and releases it. Idempotent. */
  close(): void {
    if (this.#state === 'closed') return;
    const alive = this.#state !== 'removed';
    this.#state = 'closed';
    this.#link.drop();
    this.#control?.close();
    this.#engines.destroy();
    try {
      if (alive) this.#transport.reset();
    } catch {
      // The device is released anyway.
    }
    this.#engines.wakeAll();
    this.#pci.close();
  }

  /** Steps 1 to 8 of VIRTIO 1.2, 3.1.1; the steps missing here are in ModernTransport. */
  #initialise(): void {
    const extensions = features(
      VHOST_PCI_F_SESSION,
      VHOST_PCI_F_GATE,
      VHOST_PCI_F_LINK_REASON,
      ...(this.#pci.canRemap ? [VHOST_PCI_F_REMAP] : []),
    );
    this.#features = this.#transport.begin(this.#wanted | extensions, features(VIRTIO_F_VERSION_1));
    const session = hasFeature(this.#features, VHOST_PCI_F_SESSION);
    const remap = hasFeature(this.#features, VHOST_PCI_F_REMAP);
    const memory = new RemoteMemory(this.#carrier, {
      remap,
      alternate: this.#alternate && { ...this.#alternate, window: VHOST_PCI_MEMORY_BARS[0] },
      maxPeerMemory: this.#maxPeerMemory,
      onLost: (reason) => this.#guard(() => this.#session.loseMemory(reason)),
    });
    this.#session.begin(memory, this.#features);
    // 7) Device-specific set-up: vectors, queues, notification registers.
    this.#transport.configVector(VHOST_PCI_VECTOR_CONFIG);
    this.#setupControl(session);
    // 8) The device is live.
    this.#transport.ready();
    this.#control?.start();
    // Changes before the interrupts were armed would be missed otherwise.
    setImmediate(() => this.#guard(() => this.#configChanged()));
  }

  /** Once in the lifetime of the function: a reset of the virtio device does not affect the vectors. */
  #armInterrupts(): void {
    this.#pci.onInterrupt(VHOST_PCI_VECTOR_CONFIG, () => this.#guard(() => this.#configChanged()));
    this.#pci.onInterrupt(VHOST_PCI_VECTOR_CTRL, () => this.#guard(() => this.#control?.collect()));
    this.#pci.enableInterrupts();
  }

  #setupControl(session: boolean): void {
    const { queuePairs } = this;
    this.#localMemory ??= allocateLocalQueues(this.#pci, this.#transport, queuePairs);
    const gated = hasFeature(this.#features, VHOST_PCI_F_GATE);
    const local = setupLocalQueues(this.#pci, this.#transport, queuePairs, this.#localMemory, gated);
    this.#carrier.takeQueues(this.#transport, local.areas);
    const register = this.#transport.notifyRegister(local.control);
    const registers = this.#pci.bar(register.bar);
    this.#control = new ControlQueue(
      local.controlRing,
      local.memory,
      local.controlOffset,
      { queuePairs, session },
      () => registers.write16(register.offset, local.control),
      {
        onMessage: (message) => this.#session.take(message),
        onMore: () => setImmediate(() => this.#guard(() => this.#control?.collect())),
        onBroken: (error) => {
          this.#events.report(error.message);
          setImmediate(() => this.#guard(() => this.#reinitialise()));
        },
      },
    );
  }

  /**
   * The status or the link changed, or the device requests a reset; also called once after initialisation.
   */
  #configChanged(): void {
    if (this.#transport.needsReset) {
      this.#reinitialise();
      return;
    }
    const { linkUp } = readNetConfig(this.#transport);
    // The device sends its messages before it sets the link bit: those that the link depends on are already
    // in the queue.
    this.#control?.collect();
    if (this.#state !== 'live') return;
    if (linkUp) this.#fruitlessResets = 0;
    this.#carrier.linkChanged(linkUp);
    this.#link.set(linkUp && !this.#session.memoryLost);
  }

  #reinitialise(): void {
    this.#resets++;
    this.#fruitlessResets++;
    this.#control?.close();
    this.#session.forget();
    this.#link.set(false);
    // A listener for the link may have closed the device.
    if (this.#state !== 'live') return;
    try {
      if (this.#fruitlessResets > MAX_FRUITLESS_RESETS) {
        this.#transport.fail();
        throw new PmdError('VPCI_RESET', 'it keeps requesting resets');
      }
      this.#initialise();
    } catch (error) {
      this.#state = 'failed';
      throw failedTo(`reset the device ${this.name}`, error);
    }
  }

  #removed(reason: string): void {
    if (this.#state === 'removed' || this.#state === 'closed') return;
    this.#state = 'removed';
    this.#control?.close();
    this.#carrier.removed();
    this.#events.report(`The device ${this.name} is gone: ${reason}`);
    this.#link.set(false);
    this.#events.onRemoved();
  }

  /**
   * Runs a handler of the event loop and reports its exceptions. A lost connection is reported by onRemoved;
   * errors caused by the registers of a removed device (all ones) are not reported separately.
   */
  #guard(handler: () => void): void {
    if (this.#state !== 'live') return;
    try {
      handler();
    } catch (error) {
      if (isLoss(error)) return;
      // A listener may have closed the device, whose registers can then no longer be read.
      if (this.state === 'closed' || answers(this.#pci.config)) this.#events.report((error as Error).message);
      else this.#removed(NO_ANSWER);
    }
  }
}
