// SPDX-License-Identifier: BSD-3-Clause
// The device model's telemetry: its own tree, /vhost/*, on the socket that DPDK's clients know.
import type { Json, JsonObject, TelemetryCommand } from '../../src/telemetry/commands.ts';
import { leadingNumber } from '../../src/telemetry/parameters.ts';
import type { ConnectedPeer, PeerRing } from './vhost-user/peer.ts';

/** What the model lets be seen; read anew for each answer. */
export interface VhostState {
  /** Null while none is connected. */
  readonly peer: ConnectedPeer | null;
  /** Of the connected peer, by name; those answered with an error are counted as "refused" too. */
  readonly messages: ReadonlyMap<string, number>;
  readonly driver: {
    readonly listening: boolean;
    readonly ready: boolean;
    readonly featuresOk: boolean;
    readonly features: bigint;
  };
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

export function vhostCommands(state: VhostState): TelemetryCommand[] {
  const ofPeer = (answer: (peer: ConnectedPeer) => Json) => () => {
    const { peer } = state;
    return peer === null ? undefined : answer(peer);
  };
  return [
    {
      name: '/vhost/list',
      help: 'Returns the connected peers: [0] or none. Takes no parameters',
      answer: () => (state.peer === null ? [] : [0]),
    },
    {
      name: '/vhost/peer',
      help: 'Returns features and state of the connected peer. Takes no parameters',
      answer: ofPeer(peerState),
    },
    {
      name: '/vhost/rings',
      help: "Returns the numbers of the peer's rings that run. Takes no parameters",
      answer: ofPeer((peer) => peer.rings.filter((ring) => peer.isActive(ring)).map(({ index }) => index)),
    },
    {
      name: '/vhost/ring',
      help: "Returns the state of one of the peer's rings. Parameters: int ring",
      answer: (params) => ringState(state.peer, params),
    },
    {
      name: '/vhost/memory',
      help: "Returns the regions of the peer's memory. Takes no parameters",
      answer: ofPeer(memoryState),
    },
    {
      name: '/vhost/messages',
      help: 'Returns how many messages of each kind the peer has sent. Takes no parameters',
      answer: ofPeer(() => Object.fromEntries(state.messages)),
    },
    {
      name: '/vhost/driver',
      help: "Returns the state of the function's driver. Takes no parameters",
      answer: () => driverState(state),
    },
  ];
}

function peerState(peer: ConnectedPeer): JsonObject {
  return {
    features: hex(peer.features),
    protocol_features: hex(peer.protocolFeatures),
    features_set: peer.featuresSet,
    ready: peer.ready,
    legacy: peer.legacy,
    packed: peer.featuresSet && ((peer.features >> 34n) & 1n) === 1n,
    queue_pairs: peer.rings.length / 2,
    mtu: peer.mtu,
    status: peer.status,
  };
}

function ringState(peer: ConnectedPeer | null, params: string | undefined): JsonObject | undefined {
  const ring: PeerRing | undefined = peer?.rings[leadingNumber(params)?.value ?? -1];
  if (!peer || !ring) return undefined;
  return {
    index: ring.index,
    size: ring.num,
    started: ring.started,
    enabled: peer.isEnabled(ring),
    active: peer.isActive(ring),
    base: ring.base,
    assigned: ring.assigned,
    kick: ring.kickFd >= 0,
    call: ring.callFd >= 0,
    ...(ring.guest && {
      desc: hex(ring.guest.desc),
      avail: hex(ring.guest.avail),
      used: hex(ring.guest.used),
    }),
  };
}

function memoryState({ memory, bars }: ConnectedPeer): JsonObject {
  const bytes = memory.regions.reduce((sum, { size }) => sum + size, 0n);
  return {
    bytes,
    files: bars.size,
    regions: memory.regions.map(({ gpa, size, fileOffset }) => ({
      address: hex(gpa),
      size,
      offset: fileOffset,
    })),
  };
}

function driverState({ driver }: VhostState): JsonObject {
  return {
    listening: driver.listening,
    ready: driver.ready,
    features_ok: driver.featuresOk,
    features: hex(driver.features),
  };
}
