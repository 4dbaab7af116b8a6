// SPDX-License-Identifier: BSD-3-Clause
// Connects one driver and one peer: decides what the driver is sent, and when (docs/device-abi.md,
// "SESSION").
//
// `sync` compares what the driver knows with the peer's current state and sends the difference. A ring is
// taken from a driver only through `stopRings`, which waits until the driver has released it. So by the time
// `sync` runs, the driver has released everything that changed.
import {
  VHOST_PCI_F_REMAP,
  VHOST_PCI_F_SESSION,
  VHOST_PCI_REFERENCE_VRING_SIZE,
} from '../../../src/abi/vhost-pci.ts';
import { hasFeature } from '../../../src/virtio/features.ts';
import type { Log } from '../log.ts';
import { packRegions } from '../vhost-user/bar-layout.ts';
import type { ConnectedPeer, PeerRing } from '../vhost-user/peer.ts';
import type { DriverEvents, DriverPort } from './driver-port.ts';
import { LinkReport } from './link-report.ts';
import { RingStopper } from './ring-stopper.ts';
import { Updates } from './updates.ts';

export class DeviceSession implements DriverEvents {
  readonly #driver: DriverPort;
  readonly #updates: Updates;
  readonly #stopper: RingStopper;
  readonly #report: LinkReport;
  #peer: ConnectedPeer | null = null;

  constructor(driver: DriverPort, log: Log) {
    this.#driver = driver;
    this.#updates = new Updates(driver);
    this.#stopper = new RingStopper(driver, log);
    this.#report = new LinkReport(driver, log);
    driver.attach(this);
  }

  close(): void {
    this.#report.close();
  }

  /** `left` is the reason why the previous peer is gone. */
  setPeer(peer: ConnectedPeer | null, left = ''): void {
    this.#stopper.setPeer(peer);
    this.#peer = peer;
    this.#report.peerLeft(left);
    this.sync();
  }

  peerRefused(reason: string): void {
    this.#report.peerRefused(reason);
  }

  peerNegotiates(): void {
    this.#report.peerNegotiates();
  }

  driverGone(): void {
    this.#stopper.driverGone();
    this.#updates.forget();
    this.#report.driverGone();
  }

  stopRings(rings: readonly PeerRing[]): Promise<void> {
    return this.#stopper.stopRings(rings);
  }

  handleMessage(message: DataView): void {
    this.#stopper.handleMessage(message);
  }

  /**
   * Brings the driver up to date once it has taken all earlier messages: changes in the meantime are merged,
   * so that no peer can flood a driver with messages. Cheap when nothing changed.
   */
  sync(): void {
    if (this.#driver.ready && this.#driver.drained) this.#sendUpdates();
    this.#updateLink();
  }

  #sendUpdates(): void {
    const peer = this.#usablePeer();
    // The state is recorded as known before it is sent, because a driver that cannot take a message is
    // forgotten during the send.
    const messages = this.#speaks(VHOST_PCI_F_SESSION)
      ? this.#updates.next(peer)
      : this.#updates.initial(peer);
    for (const message of messages) this.#driver.send(message);
  }

  /** Raises the link once the driver has everything it needs. */
  #updateLink(): void {
    const { ready, drained } = this.#driver;
    const up = ready && this.#updates.sent && drained && this.#usablePeer()?.ready === true;
    this.#driver.setLink(up);
    const peer = this.#peer;
    this.#report.update(up, peer, () => (peer ? this.#misfit(peer) : ''));
  }

  #speaks(feature: number): boolean {
    return hasFeature(this.#driver.features, feature);
  }

  /** The peer, unless this driver cannot work with its memory. */
  #usablePeer(): ConnectedPeer | null {
    const peer = this.#peer;
    if (!peer || !this.#driver.ready || peer.memory.regions.length === 0) return peer;
    return this.#misfit(peer) === '' ? peer : null;
  }

  /** Why this driver cannot work with this peer; empty when it can. */
  #misfit(peer: ConnectedPeer): string {
    const session = this.#speaks(VHOST_PCI_F_SESSION);
    if (!(session && this.#speaks(VHOST_PCI_F_REMAP)) && !this.#driver.showsToClient(peer.bars)) {
      return 'VM2 has a different memory file from the one that VM1 has mapped: start VM2 with memory-backend-file on tmpfs at a fixed path (mem-path=/dev/shm/NAME,share=on), or restart VM1';
    }
    if (session) return '';
    if (peer.legacy) return 'the peer is a legacy driver, which requires a driver with SESSION';
    const packed = packRegions(peer.memory.regions);
    if (typeof packed === 'string') return `${packed}, which requires a driver with SESSION`;
    const wrong = peer.rings.find(
      (ring) => peer.isActive(ring) && ring.num !== VHOST_PCI_REFERENCE_VRING_SIZE,
    );
    if (wrong)
      return `ring ${wrong.index} has ${wrong.num} entries, but a driver without SESSION assumes ${VHOST_PCI_REFERENCE_VRING_SIZE}`;
    return this.#updates.stillHolds(peer, packed)
      ? ''
      : 'the peer has changed its rings, which requires a driver with SESSION';
  }
}
