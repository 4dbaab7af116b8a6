// SPDX-License-Identifier: BSD-3-Clause
// A peer with the rules of Linux' ivshmem-net (docs/device-abi.md, "RFC 2.1"), written from them and not from
// the engine: it shares no code with what it tests. It returns entries in order with length 1, chains its
// free descriptors by `next`, and moves both event indices with every burst. Indices of rings wrap at 2^16.

export interface SectionPeerOptions {
  /** Its own section, writable, and the peer's. */
  readonly own: DataView;
  readonly peer: DataView;
  /** Of the layout, which the test states: entries, and bytes to the used ring and to the data. */
  readonly entries: number;
  readonly usedOffset: number;
  readonly dataOffset: number;
  /** Cache line of its processor. */
  readonly line: 32 | 64 | 128;
  /** Newer drivers publish each packet, older ones each batch. */
  readonly publishes: 'packet' | 'batch';
}

const SLOT_OVERHEAD = 18;
const NONE = 0xffff;

export class SectionPeer {
  readonly #options: SectionPeerOptions;
  readonly #dataBytes: number;
  #free = 0;
  #freeCount: number;
  /** Where the next frame goes, and the oldest that is in flight, as offsets in the data. */
  #head = 0;
  #tail = 0;
  #availIdx = 0;
  #txUsedSeen = 0;
  #rxAvailSeen = 0;
  #rxUsedIdx = 0;
  /** Notifications that the event index of the other side asked for. */
  kicks = 0;

  /** Call when it gets READY: with its own section zeroed. */
  constructor(options: SectionPeerOptions) {
    this.#options = options;
    this.#dataBytes = options.own.byteLength - options.dataOffset;
    this.#freeCount = options.entries;
    for (let i = 0; i < options.entries; i++)
      options.own.setUint16(16 * i + 14, i + 1 < options.entries ? i + 1 : NONE, true);
  }

  get inFlight(): number {
    return this.#options.entries - this.#freeCount;
  }

  /** Sends frames until there is no room; returns how many. */
  send(frames: readonly Uint8Array[]): number {
    this.reclaim();
    const before = this.#availIdx;
    let sent = 0;
    for (const frame of frames) {
      if (!this.#put(frame)) break;
      sent++;
      if (this.#options.publishes === 'packet') this.#publish();
    }
    if (this.#options.publishes === 'batch') this.#publish();
    this.#kickIf(this.#availEvent(), this.#availIdx, before);
    return sent;
  }

  /** Takes what the other side has sent. Throws if it breaks the rules. */
  receive(): Uint8Array[] {
    const { own, peer, entries, usedOffset } = this.#options;
    const frames: Uint8Array[] = [];
    const before = this.#rxUsedIdx;
    const available = peer.getUint16(16 * entries + 2, true);
    while (this.#rxAvailSeen !== available) {
      const id = peer.getUint16(16 * entries + 4 + 2 * (this.#rxAvailSeen % entries), true);
      frames.push(this.#frameOf(id));
      this.#rxAvailSeen = (this.#rxAvailSeen + 1) & 0xffff;
      own.setUint32(usedOffset + 4 + 8 * (this.#rxUsedIdx % entries), id, true);
      own.setUint32(usedOffset + 8 + 8 * (this.#rxUsedIdx % entries), 1, true);
      this.#rxUsedIdx = (this.#rxUsedIdx + 1) & 0xffff;
      own.setUint16(usedOffset + 2, this.#rxUsedIdx, true);
    }
    // avail_event: a notification for the next frame.
    own.setUint16(usedOffset + 4 + 8 * entries, this.#rxAvailSeen, true);
    this.#kickIf(peer.getUint16(16 * entries + 4 + 2 * entries, true), this.#rxUsedIdx, before);
    return frames;
  }

  /** Frees what the other side has returned; an entry that is not the oldest in flight is an error. */
  reclaim(): void {
    const { own, peer, entries, usedOffset } = this.#options;
    const used = peer.getUint16(usedOffset + 2, true);
    while (this.#txUsedSeen !== used) {
      const at = usedOffset + 4 + 8 * (this.#txUsedSeen % entries);
      const [id, length] = [peer.getUint32(at, true), peer.getUint32(at + 4, true)];
      if (id >= entries || length !== 1) throw new Error(`used entry ${id} of length ${length}`);
      const [address, bytes] = [this.#addressOf(own, id), own.getUint32(16 * id + 8, true)];
      const slot = this.#slotBytes(bytes);
      const expected = this.#dataBytes - this.#tail < slot ? 0 : this.#tail;
      if (address - this.#options.dataOffset !== expected) throw new Error(`entry ${id} came out of order`);
      this.#tail = expected + slot;
      own.setUint16(16 * id + 14, this.#freeCount === 0 ? NONE : this.#free, true);
      this.#free = id;
      this.#freeCount++;
      this.#txUsedSeen = (this.#txUsedSeen + 1) & 0xffff;
    }
    // used_event: a notification for the next entry that comes back.
    own.setUint16(16 * entries + 4 + 2 * entries, this.#txUsedSeen, true);
  }

  /** Writes any entry, for a peer that breaks the rules. */
  corrupt(id: number, entry: { addr?: bigint; len?: number; flags?: number }): void {
    const { own } = this.#options;
    if (entry.addr !== undefined) own.setBigUint64(16 * id, entry.addr, true);
    if (entry.len !== undefined) own.setUint32(16 * id + 8, entry.len, true);
    if (entry.flags !== undefined) own.setUint16(16 * id + 12, entry.flags, true);
  }

  setAvailIdx(idx: number): void {
    this.#options.own.setUint16(16 * this.#options.entries + 2, idx & 0xffff, true);
  }

  setUsedIdx(idx: number): void {
    this.#options.own.setUint16(this.#options.usedOffset + 2, idx & 0xffff, true);
  }

  #put(frame: Uint8Array): boolean {
    const { own, entries, dataOffset } = this.#options;
    const slot = this.#slotBytes(frame.length);
    // ivshmem-net stops with fewer than two free descriptors.
    if (this.#freeCount < 2) return false;
    const at = this.#room(slot);
    if (at === null) return false;
    const id = this.#free;
    this.#free = own.getUint16(16 * id + 14, true);
    this.#freeCount--;
    this.#head = at + slot;
    new Uint8Array(own.buffer, own.byteOffset + dataOffset + at, frame.length).set(frame);
    own.setBigUint64(16 * id, BigInt(dataOffset + at), true);
    own.setUint32(16 * id + 8, frame.length, true);
    own.setUint16(16 * id + 12, 0, true);
    own.setUint16(16 * entries + 4 + 2 * (this.#availIdx % entries), id, true);
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    return true;
  }

  /** Where a slot fits; one byte stays free, so that head and tail meet only when nothing is in flight. */
  #room(slot: number): number | null {
    if (this.inFlight === 0) this.#head = this.#tail;
    const at = this.#dataBytes - this.#head < slot ? 0 : this.#head;
    if (this.inFlight === 0) return at;
    if (this.#head > this.#tail) return at > 0 || slot < this.#tail ? at : null;
    return at === this.#head && at + slot < this.#tail ? at : null;
  }

  #publish(): void {
    this.setAvailIdx(this.#availIdx);
  }

  #frameOf(id: number): Uint8Array {
    const { peer, entries, dataOffset } = this.#options;
    if (id >= entries) throw new Error(`available entry ${id} of ${entries}`);
    const [address, length] = [this.#addressOf(peer, id), peer.getUint32(16 * id + 8, true)];
    const flags = peer.getUint16(16 * id + 12, true);
    if (flags !== 0 || address < dataOffset || address + length > peer.byteLength)
      throw new Error(`descriptor ${id}: ${length} bytes at ${address}, flags ${flags}`);
    return new Uint8Array(peer.buffer, peer.byteOffset + address, length).slice();
  }

  #addressOf(view: DataView, id: number): number {
    return Number(view.getBigUint64(16 * id, true));
  }

  #slotBytes(frame: number): number {
    return Math.ceil((SLOT_OVERHEAD + frame) / this.#options.line) * this.#options.line;
  }

  #availEvent(): number {
    const { peer, usedOffset, entries } = this.#options;
    return peer.getUint16(usedOffset + 4 + 8 * entries, true);
  }

  /** VIRTIO 1.2, 2.7.10: vring_need_event. */
  #kickIf(event: number, now: number, before: number): void {
    if (((now - event - 1) & 0xffff) < ((now - before) & 0xffff)) this.kicks++;
  }
}
