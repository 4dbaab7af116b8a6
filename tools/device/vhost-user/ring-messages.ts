// SPDX-License-Identifier: BSD-3-Clause
// The messages of one ring: its size, place, position and descriptors, and how it is started and stopped.
//
// A handler that changes what a driver works with, or that promises the peer an idle ring, first awaits
// `host.session.stopRings()` (D6); the reply, or the acknowledgement, follows when the handler ends.
import { decode } from '../../../src/abi/layout.ts';
import {
  VHOST_USER_VRING_ADDR,
  VHOST_USER_VRING_IDX_MASK,
  VHOST_USER_VRING_NOFD_MASK,
  VHOST_USER_VRING_STATE,
} from '../../../src/abi/vhost-user.ts';
import { native } from '../../../src/native.ts';
import { closeQuietly, takeFd } from '../../socket/fds.ts';
import { eventfdKind } from '../eventfd/eventfd-kind.ts';
import { MAX_QUEUE_PAIRS, type Request } from './message.ts';
import { type ConnectedPeer, outsideMemory, type PeerRing, setBase } from './peer.ts';
import { ProtocolError } from './protocol-error.ts';
import { isAligned } from './ring-format.ts';

export async function setVringNum({ peer, host, payload }: Request): Promise<void> {
  const { index, num } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  if (!peer.format.hasSize(num)) throw new ProtocolError(`a ring of ${num} entries`);
  if (num === ring.num) return;
  await host.session.stopRings([ring]);
  ring.num = num;
  peer.placeRing(ring);
}

export async function setVringAddr({ peer, host, payload }: Request): Promise<void> {
  const message = decode(VHOST_USER_VRING_ADDR, payload);
  const ring = ringAt(peer, message.index);
  const user = { desc: message.descriptor, avail: message.available, used: message.used };
  if (!isAligned(peer.format, user)) throw new ProtocolError(`ring ${ring.index} is not aligned`);
  for (const address of Object.values(user)) {
    if (peer.memory.translate(address, 1) === null) {
      throw new ProtocolError(outsideMemory(ring, peer.memory));
    }
  }
  const same = ring.user && ring.user.desc === user.desc && ring.user.avail === user.avail;
  if (same && ring.user?.used === user.used) return;
  await host.session.stopRings([ring]);
  ring.user = user;
  peer.placeRing(ring);
}

export async function setVringBase({ peer, host, payload }: Request): Promise<void> {
  const { index, num } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  const base = peer.format.readBase(num);
  if (base === null) throw new ProtocolError(`base ${num} for ring ${index}`);
  await host.session.stopRings([ring]);
  setBase(ring, base);
}

export async function getVringBase({ peer, host, payload }: Request): Promise<Uint8Array> {
  const { index } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  await host.session.stopRings([ring]);
  const base = peer.nextIndex(ring);
  peer.clearRing(ring);
  setBase(ring, base);
  const reply = new DataView(new ArrayBuffer(VHOST_USER_VRING_STATE.size));
  reply.setUint32(VHOST_USER_VRING_STATE.fields.index.offset, index, true);
  reply.setUint32(VHOST_USER_VRING_STATE.fields.num.offset, peer.format.writeBase(base), true);
  return new Uint8Array(reply.buffer);
}

export function setVringKick(request: Request): void {
  // A single write to a semaphore can be up to 2^64 kicks, and a read takes only one at a time.
  if (request.fds.some((fd) => native.isEventfd(fd) && eventfdKind(fd).semaphore))
    throw new ProtocolError('the kick descriptor is a semaphore (EFD_SEMAPHORE)');
  const { ring, fd } = ringEventfd(request, 'kick', 'read');
  request.peer.setKick(ring, fd);
  ring.started = true;
  if (fd >= 0) request.host.kicks.watch(ring);
}

export function setVringCall(request: Request): void {
  const { ring, fd } = ringEventfd(request, 'call', 'written');
  request.peer.setCall(ring, fd);
  // The last call may have gone to the previous descriptor, which the front-end no longer watches.
  if (fd >= 0 && ring.started) native.eventfdSignal(fd);
}

/** Accepted but not kept: this back-end reports a broken ring to its own user. */
export function setVringErr(request: Request): void {
  const { fd } = ringEventfd(request, 'error');
  closeQuietly(fd);
}

export async function setVringEnable({ peer, host, payload }: Request): Promise<void> {
  const { index, num } = decode(VHOST_USER_VRING_STATE, payload);
  const ring = ringAt(peer, index);
  if (num > 1) throw new ProtocolError(`value ${num} for ring ${index}`);
  if (num === 0) await host.session.stopRings([ring]);
  ring.enabled = num === 1;
}

/** Only a legacy driver can be big-endian. CROSS_ENDIAN is not offered, so no front-end should send this. */
export function setVringEndian(): never {
  throw new ProtocolError('legacy rings are little-endian here');
}

/** Compares all 32 bits of the index, without truncating it to a narrower type. */
function ringAt(peer: ConnectedPeer, index: number): PeerRing {
  const ring = peer.rings[index];
  if (ring) return ring;
  const [asked, pairs] = [Math.floor(index / 2) + 1, peer.rings.length / 2];
  throw new ProtocolError(
    index < 2 * MAX_QUEUE_PAIRS
      ? `ring ${index} of ${peer.rings.length}: it needs at least ${asked} queue pairs, but the function has ${pairs}: start vhost-pci-device with --queues ${asked} or more`
      : `ring ${index} of ${peer.rings.length}`,
  );
}

/** The ring of a KICK, CALL or ERR message and its eventfd, taken out of `fds`; -1 for "no descriptor". */
function ringEventfd(
  { peer, host, payload, fds }: Request,
  what: string,
  role?: 'read' | 'written',
): { ring: PeerRing; fd: number } {
  const value = payload.getBigUint64(0, true);
  if (value > BigInt(VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD_MASK)) {
    throw new ProtocolError(`unknown bits 0x${value.toString(16)} with a ${what} descriptor`);
  }
  const ring = ringAt(peer, Number(value) & VHOST_USER_VRING_IDX_MASK);
  const none = (Number(value) & VHOST_USER_VRING_NOFD_MASK) !== 0;
  const fd = fds[0];
  if (none !== (fd === undefined))
    throw new ProtocolError(`ring ${ring.index}: ${what} descriptor missing or unexpected`);
  if (fd === undefined) return { ring, fd: -1 };
  if (!native.isEventfd(fd))
    throw new ProtocolError(`ring ${ring.index}: the ${what} descriptor is not an eventfd`);
  if (role && host.eventfds?.allows(fd, role) === false)
    throw new ProtocolError(
      `ring ${ring.index}: the ${what} descriptor is an eventfd already used in the other direction`,
    );
  return { ring, fd: takeFd(fds, fd) };
}
