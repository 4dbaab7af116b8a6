// SPDX-License-Identifier: BSD-3-Clause
// Frames for tests, layer by layer from the inside out. Checksums are those given, mostly wrong ones.

const be16 = (value: number) => [(value >>> 8) & 0xff, value & 0xff];
const be32 = (value: number) => [...be16(value >>> 16), ...be16(value)];

export const MAC = { from: [2, 0, 0, 0, 0, 9], to: [2, 0, 0, 0, 0, 1] } as const;

/** TPIDs and TCIs of tags, outermost first. */
export type Tags = readonly (readonly [tpid: number, tci: number])[];

export function ether(type: number, payload: Uint8Array, tags: Tags = []): Buffer {
  const tagged = tags.flatMap(([tpid, tci]) => [...be16(tpid), ...be16(tci)]);
  return Buffer.concat([Buffer.from([...MAC.to, ...MAC.from, ...tagged, ...be16(type)]), payload]);
}

export interface Ip4 {
  readonly protocol: number;
  readonly src?: readonly number[];
  readonly dst?: readonly number[];
  readonly id?: number;
  /** Flags and offset. */
  readonly fragment?: number;
  readonly options?: readonly number[];
  readonly checksum?: number;
}

export function ipv4(
  { protocol, src = [10, 0, 0, 1], dst = [10, 0, 0, 2], ...other }: Ip4,
  payload: Uint8Array,
): Buffer {
  const { id = 0, fragment = 0, options = [], checksum = 0xbeef } = other;
  const header = 20 + options.length;
  const first = [0x40 | (header / 4), 0, ...be16(header + payload.length), ...be16(id), ...be16(fragment)];
  const rest = [64, protocol, ...be16(checksum), ...src, ...dst, ...options];
  return Buffer.concat([Buffer.from([...first, ...rest]), payload]);
}

export function ipv6(protocol: number, payload: Uint8Array): Buffer {
  const addresses = [0x20, ...Array.from({ length: 31 }, (_, i) => i * 7)];
  const header = [0x60, 0, 0, 0, ...be16(payload.length), protocol, 64, ...addresses];
  return Buffer.concat([Buffer.from(header), payload]);
}

export interface Ports {
  readonly ports?: readonly [source: number, destination: number];
  readonly checksum?: number;
}

export function udp(payload: Uint8Array, { ports = [5000, 7], checksum = 0xdead }: Ports = {}): Buffer {
  const header = [...be16(ports[0]), ...be16(ports[1]), ...be16(8 + payload.length), ...be16(checksum)];
  return Buffer.concat([Buffer.from(header), payload]);
}

export interface Tcp extends Ports {
  readonly sequence?: number;
  readonly flags?: number;
  readonly options?: readonly number[];
}

export function tcp(
  payload: Uint8Array,
  { ports = [5000, 80], checksum = 0xdead, ...other }: Tcp = {},
): Buffer {
  const { sequence = 0x01020304, flags = 0x10, options = [] } = other;
  const lengths = [((20 + options.length) / 4) << 4, flags];
  const header = [...be16(ports[0]), ...be16(ports[1]), ...be32(sequence), ...be32(77), ...lengths];
  return Buffer.concat([Buffer.from([...header, 0x20, 0, ...be16(checksum), 0, 0, ...options]), payload]);
}

/** Over UDP, without a checksum unless one is given. */
export const vxlan = (frame: Uint8Array, checksum = 0): Buffer =>
  udp(Buffer.concat([Buffer.of(8, 0, 0, 0, 0, 0, 7, 0), frame]), { ports: [50_000, 4789], checksum });

/** `protocol`: 1 IPv4, 2 IPv6, 3 Ethernet. */
export const vxlanGpe = (protocol: number, inner: Uint8Array): Buffer =>
  udp(Buffer.concat([Buffer.of(0x0c, 0, 0, protocol, 0, 0, 7, 0), inner]), {
    ports: [50_000, 4790],
    checksum: 0,
  });

/** `options`: a multiple of 4 bytes. */
export const geneve = (type: number, inner: Uint8Array, options: readonly number[] = []): Buffer =>
  udp(Buffer.concat([Buffer.of(options.length / 4, 0, ...be16(type), 0, 0, 7, 0, ...options), inner]), {
    ports: [50_000, 6081],
    checksum: 0,
  });

export const gtp = (inner: Uint8Array, longer = false): Buffer =>
  udp(
    Buffer.concat([
      Buffer.of(longer ? 0x32 : 0x30, 0xff, ...be16(inner.length + (longer ? 4 : 0)), 0, 0, 0, 9),
      Buffer.alloc(longer ? 4 : 0),
      inner,
    ]),
    { ports: [2152, 2152], checksum: 0 },
  );

/** `flags`: 0x20 key, 0x10 sequence number. */
export const gre = (type: number, inner: Uint8Array, flags = 0): Buffer =>
  Buffer.concat([
    Buffer.of(flags, 0, ...be16(type)),
    Buffer.alloc((flags & 0x20 ? 4 : 0) + (flags & 0x10 ? 4 : 0)),
    inner,
  ]);

export const bytes = (length: number, from = 0): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (from + i * 3) & 0xff));
