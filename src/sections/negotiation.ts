// SPDX-License-Identifier: BSD-3-Clause
// What two sides agree on: extensions, queue pairs, the parts of the sections and the largest frame. Both
// sides compute it from both offers, so neither has to tell the other.
import {
  SECTION_F_LARGE_FRAMES,
  SECTION_F_MULTIQUEUE,
  SECTION_F_NET_HEADER,
  SECTION_HEADER_BYTES,
} from '../abi/section.ts';
import { VIRTIO_NET_HDR } from '../abi/virtio-net.ts';
import { VIRTIO_F_VERSION_1 } from '../abi/virtio-ring.ts';
import { dataPathFeatures } from '../engines/features.ts';
import { type FeatureSet, features } from '../virtio/features.ts';
import type { SectionCarrier, SideMemory } from './carrier.ts';
import type { SideOffer } from './header.ts';
import {
  FRAME_OVERHEAD,
  LARGE_FRAME,
  largestFrame,
  partBytes,
  type SectionLayout,
  sectionLayout,
} from './layout.ts';

export interface Agreement {
  /** Bits SECTION_F_*. */
  readonly extensions: number;
  readonly queuePairs: number;
  /** Of each queue pair's part. */
  readonly layout: SectionLayout;
  /** Bytes of virtio-net header before each frame. */
  readonly headerBytes: number;
  /** Largest frame that we may send. */
  readonly maxFrame: number;
  /** Features of packets. */
  readonly features: FeatureSet;
}

const EXTENSION_NAMES: readonly [number, string][] = [
  [SECTION_F_NET_HEADER, 'NET_HEADER'],
  [SECTION_F_LARGE_FRAMES, 'LARGE_FRAMES'],
  [SECTION_F_MULTIQUEUE, 'MULTIQUEUE'],
];
const ALL_EXTENSIONS = EXTENSION_NAMES.reduce((set, [bit]) => set | (1 << bit), 0);
/** A peer that accepts no frame of this size could not use an IPv4 network (RFC 791). */
const LEAST_FRAME = 68 + FRAME_OVERHEAD;

export const hasExtension = (set: number, bit: number): boolean => ((set >>> bit) & 1) === 1;

/** "NET_HEADER LARGE_FRAMES". */
export function describeExtensions(set: number): string {
  const names = EXTENSION_NAMES.filter(([bit]) => hasExtension(set, bit)).map(([, name]) => name);
  return names.join(' ') || 'none';
}

/** What we offer; nothing but plain frames over one queue pair in the minimum. */
export function ownOffer(queuePairs: number, minimum: boolean): SideOffer {
  if (minimum) return { features: 0, queuePairs: 1, maxFrame: 0 };
  const extensions = queuePairs > 1 ? ALL_EXTENSIONS : ALL_EXTENSIONS & ~(1 << SECTION_F_MULTIQUEUE);
  return { features: extensions, queuePairs, maxFrame: 0 };
}

/** Where a side's output section begins in its mapping. */
export function sectionOffset(states: SectionCarrier['states'], side: SideMemory): number {
  return side.offset + (states === 'header' ? SECTION_HEADER_BYTES : 0);
}

export function sectionBytes(states: SectionCarrier['states'], side: SideMemory): number {
  return side.size - (states === 'header' ? SECTION_HEADER_BYTES : 0);
}

/** Throws an Error that says, as the end of a sentence, what is wrong with the peer's offer. */
export function agree(section: number, own: SideOffer, peer: SideOffer): Agreement {
  if (peer.queuePairs === 0) throw new Error('its header names no queue pair');
  const extensions = own.features & peer.features & ALL_EXTENSIONS;
  const multiqueue = hasExtension(extensions, SECTION_F_MULTIQUEUE);
  const queuePairs = multiqueue ? Math.min(own.queuePairs, peer.queuePairs) : 1;
  const layout = sectionLayout(partBytes(section, queuePairs));
  if (layout === null) throw new Error(`its section is too small for ${queuePairs} queue pairs`);
  const limits = [own.maxFrame, peer.maxFrame].filter((limit) => limit !== 0);
  const large = hasExtension(extensions, SECTION_F_LARGE_FRAMES);
  const maxFrame = Math.min(largestFrame(layout, large), ...limits);
  if (maxFrame < LEAST_FRAME) throw new Error(`its header allows frames of ${maxFrame} bytes at most`);
  const header = hasExtension(extensions, SECTION_F_NET_HEADER);
  return {
    extensions,
    queuePairs,
    layout,
    headerBytes: header ? VIRTIO_NET_HDR.size : 0,
    maxFrame,
    features: packetFeatures(header, maxFrame),
  };
}

/** A packet that is still to be segmented may have 64 KiB, and has to fit as one frame. */
function packetFeatures(header: boolean, maxFrame: number): FeatureSet {
  const none = dataPathFeatures({ csum: false, tso: false });
  const offloads = dataPathFeatures({ csum: header, tso: header && maxFrame >= LARGE_FRAME }) & ~none;
  return offloads | features(VIRTIO_F_VERSION_1);
}
