// SPDX-License-Identifier: BSD-3-Clause
// Takes rings back from the driver and records where it stopped. With GATE, closes the ring's gate and waits
// until the driver's burst has left; with SESSION alone, asks the driver (queue-stop-requests.ts); does not
// wait for any other driver.
import { VHOST_PCI_F_SESSION } from '../../../src/abi/vhost-pci.ts';
import { hasFeature } from '../../../src/virtio/features.ts';
import type { Log } from '../log.ts';
import type { ConnectedPeer, PeerRing } from '../vhost-user/peer.ts';
import { PACKED } from '../vhost-user/ring-format.ts';
import type { DriverGates } from './driver-gates.ts';
import { crossed, type DriverPort } from './driver-port.ts';
import { whereItStopped } from './driver-positions.ts';
import { QueueStopRequests, STOP_TIMEOUT_MS } from './queue-stop-requests.ts';

export class RingStopper {
  readonly #driver: DriverPort;
  readonly #log: Log;
  readonly #stops: QueueStopRequests;
  #peer: ConnectedPeer | null = null;

  constructor(driver: DriverPort, log: Log) {
    this.#driver = driver;
    this.#log = log;
    this.#stops = new QueueStopRequests(driver, (index, place) => this.#misplaced(index, place));
  }

  /** Switches to this peer's rings; abandons all waiting for the driver. */
  setPeer(peer: ConnectedPeer | null): void {
    for (const ring of this.#peer?.rings ?? []) this.#driver.gates?.close(crossed(ring.index));
    this.#peer = peer;
    this.#stops.abandon();
  }

  /** The driver is gone: its positions are taken from its memory or from the used rings. */
  driverGone(): void {
    this.#driver.gates?.closeAll();
    const rings = this.#peer?.rings ?? [];
    this.#keepPositions(rings);
    this.#stops.abandon();
    for (const ring of rings) ring.assigned = false;
  }

  /** Resolves when the driver no longer works any of these rings, after at most STOP_TIMEOUT_MS. */
  async stopRings(rings: readonly PeerRing[]): Promise<void> {
    if (this.#driver.gates) return this.#closeGates(rings, this.#driver.gates);
    const assigned = rings.filter((ring) => ring.assigned);
    if (assigned.length === 0) return;
    const asks = this.#driver.ready && hasFeature(this.#driver.features, VHOST_PCI_F_SESSION);
    if (!asks) this.#keepPositions(assigned);
    const answers = asks ? await Promise.all(assigned.map((ring) => this.#stops.ask(ring.index))) : [];
    for (const [i, ring] of assigned.entries()) {
      ring.assigned = false;
      ring.next = answers[i] ?? ring.next;
    }
  }

  /** Handles a message from the driver. */
  handleMessage(message: DataView): void {
    this.#stops.handle(message);
  }

  /**
   * Closes the gates and waits for the bursts inside to leave, including in rings that were withdrawn without
   * waiting. The driver's other threads learn of it from the next records.
   */
  async #closeGates(rings: readonly PeerRing[], gates: DriverGates): Promise<void> {
    const queues = rings.map(({ index }) => crossed(index));
    for (const queue of queues) gates.close(queue);
    const peer = this.#peer;
    const outcome = await gates.left(queues, STOP_TIMEOUT_MS);
    // Also if nothing of this peer was assigned to it, or the peer has left meanwhile: the driver cannot
    // enter these queues before it is reset.
    if (outcome === 'late' && this.#driver.ready && this.#driver.gates === gates) {
      const names = rings.map(({ index }) => index).join(', ');
      this.#driver.fail(`the driver did not release queue ${names} within ${STOP_TIMEOUT_MS} ms`);
    }
    if (this.#peer !== peer) return;
    const assigned = rings.filter((ring) => ring.assigned);
    if (outcome !== 'late') this.#keepPositions(assigned);
    for (const ring of assigned) ring.assigned = false;
  }

  /**
   * Records positions from the driver's memory while it can be read. For a split ring only whether the driver
   * ever started on it: the used index tells the rest.
   */
  #keepPositions(rings: readonly PeerRing[]): void {
    const peer = this.#peer;
    if (!peer) return;
    if (peer.format !== PACKED) {
      if (!this.#driver.gates) return;
      for (const ring of rings)
        if (ring.assigned && this.#driver.positionIn(ring)?.serial !== ring.serial)
          ring.next = ring.assignedIndex;
      return;
    }
    for (const ring of rings) {
      if (!ring.served || !ring.guest) continue;
      const words = this.#driver.positionIn(ring);
      if (words?.serial === ring.serial) this.#keepPosition(ring, whereItStopped(words, ring, peer.memory));
      // The driver never started on this assignment of the ring.
      else if (ring.assigned) this.#keepPosition(ring, words && ring.assignedIndex);
    }
  }

  #keepPosition(ring: PeerRing, place: number | null): void {
    if (place !== null) ring.next = place;
    if (place !== null || ring.lost) return;
    ring.lost = true;
    this.#log.event(
      `ring ${ring.index} stays stopped until the peer sets it up again: VM1's driver left no valid position`,
    );
  }

  #misplaced(index: number, place: number): string | null {
    const ring = this.#peer?.rings[index];
    if (!ring || this.#peer?.format.hasPlace(place, ring.num) !== false) return null;
    return `slot ${place & 0x7fff} of ${ring.num}`;
  }
}
