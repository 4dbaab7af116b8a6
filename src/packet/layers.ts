// SPDX-License-Identifier: BSD-3-Clause
// Where the headers of a frame are: past any number of tags, and inside a tunnel. One object is filled again
// and again, so nothing is allocated.
import { readUint16BE } from './bytes.ts';
import { ETHER, IPV4, IPV6, ipv4HeaderLength, isFragment, UDP } from './headers.ts';

/** Tunnels, as testpmd's mode csum tells them apart. */
export const TUNNEL = { NONE: 0, VXLAN: 1, VXLAN_GPE: 2, GENEVE: 3, GTP: 4, GRE: 5, IPIP: 6 } as const;

const TYPE_QINQ = 0x88a8;
/** EtherType of Ethernet in a tunnel. */
const TYPE_TEB = 0x6558;
const PROTOCOL_IPIP = 4;
const PROTOCOL_GRE = 47;
const PORTS = { GTP_C: 2123, GTP_U: 2152, VXLAN: 4789, VXLAN_GPE: 4790, GENEVE: 6081 } as const;
/** RFC 7348, and its draft with a protocol: Ethernet or IP follows. */
const VXLAN_HEADER = 8;
const GPE_PROTOCOL = 3;
/** 3GPP TS 29.281: a message with an IP packet, and the flags of a longer header. */
const GTP_HEADER = 8;
const GTP_DATA = 0xff;
const GTP_LONGER = 0x07;
/** RFC 2890: flags of fields of four bytes each. */
const GRE_FIELDS = [0x80, 0x20, 0x10] as const;

export class Layers {
  /** The innermost network header, and what it is: 4 or 6. */
  ip = 0;
  version = 0;
  /** The transport header, of that protocol. */
  l4 = 0;
  protocol = 0;
  /** Of TUNNEL. The fields below are those of the headers around it. */
  tunnel: number = TUNNEL.NONE;
  outerIp = 0;
  outerVersion = 0;
  outerL4 = 0;
  outerProtocol = 0;

  /** HOT. Reads the frame in `bytes[frame..end)`; false if there is no whole network header. */
  parse(bytes: Uint8Array, frame: number, end: number, tunnels: boolean): boolean {
    this.tunnel = TUNNEL.NONE;
    if (!this.#ethernet(bytes, frame, end)) return false;
    if (!tunnels || (this.version === 4 && isFragment(bytes, this.ip))) return true;
    this.outerIp = this.ip;
    this.outerVersion = this.version;
    this.outerL4 = this.l4;
    this.outerProtocol = this.protocol;
    const tunnel = this.#inside(bytes, end);
    if (tunnel === TUNNEL.NONE) {
      this.ip = this.outerIp;
      this.version = this.outerVersion;
      this.l4 = this.outerL4;
      this.protocol = this.outerProtocol;
    }
    this.tunnel = tunnel;
    return true;
  }

  /** HOT. Bytes of transport header and payload, by the network header. */
  length(bytes: Uint8Array): number {
    return this.version === 4
      ? readUint16BE(bytes, this.ip + IPV4.TOTAL_LENGTH) - (this.l4 - this.ip)
      : readUint16BE(bytes, this.ip + IPV6.PAYLOAD_LENGTH);
  }

  #ethernet(bytes: Uint8Array, frame: number, end: number): boolean {
    let l3 = frame + ETHER.HEADER;
    if (l3 > end) return false;
    let type = readUint16BE(bytes, l3 - 2);
    while (type === ETHER.TYPE_VLAN || type === TYPE_QINQ) {
      l3 += ETHER.VLAN_TAG;
      if (l3 > end) return false;
      type = readUint16BE(bytes, l3 - 2);
    }
    return this.#network(bytes, type, l3, end);
  }

  #network(bytes: Uint8Array, type: number, ip: number, end: number): boolean {
    if (type === ETHER.TYPE_IPV4) {
      const length = ipv4HeaderLength(bytes, ip, end);
      if (length === 0) return false;
      this.version = 4;
      this.l4 = ip + length;
      this.protocol = bytes[ip + IPV4.PROTOCOL];
    } else if (type === ETHER.TYPE_IPV6) {
      if (ip + IPV6.HEADER > end || bytes[ip] >>> 4 !== 6) return false;
      this.version = 6;
      this.l4 = ip + IPV6.HEADER;
      this.protocol = bytes[ip + IPV6.NEXT_HEADER];
    } else return false;
    this.ip = ip;
    return true;
  }

  /** Goes into the tunnel, if there is one with whole headers. */
  #inside(bytes: Uint8Array, end: number): number {
    const l4 = this.outerL4;
    if (this.outerProtocol === IPV4.PROTOCOL_UDP)
      return l4 + UDP.HEADER + VXLAN_HEADER > end ? TUNNEL.NONE : this.#insideUdp(bytes, l4, end);
    if (this.outerProtocol === PROTOCOL_GRE)
      return this.#insideGre(bytes, l4, end) ? TUNNEL.GRE : TUNNEL.NONE;
    if (this.outerProtocol === PROTOCOL_IPIP && l4 < end)
      return this.#anyIp(bytes, l4, end) ? TUNNEL.IPIP : TUNNEL.NONE;
    return TUNNEL.NONE;
  }

  #insideUdp(bytes: Uint8Array, l4: number, end: number): number {
    const port = readUint16BE(bytes, l4 + UDP.DESTINATION_PORT);
    const header = l4 + UDP.HEADER;
    switch (port) {
      case PORTS.VXLAN:
        return this.#ethernet(bytes, header + VXLAN_HEADER, end) ? TUNNEL.VXLAN : TUNNEL.NONE;
      case PORTS.VXLAN_GPE:
        return this.#insideGpe(bytes, header, end) ? TUNNEL.VXLAN_GPE : TUNNEL.NONE;
      case PORTS.GENEVE: {
        const at = header + 8 + (bytes[header] & 0x3f) * 4;
        const type = readUint16BE(bytes, header + 2);
        return this.#typed(bytes, type || ETHER.TYPE_IPV4, at, end) ? TUNNEL.GENEVE : TUNNEL.NONE;
      }
      default:
        if (port !== PORTS.GTP_U && port !== PORTS.GTP_C && readUint16BE(bytes, l4) !== PORTS.GTP_C)
          return TUNNEL.NONE;
        return this.#insideGtp(bytes, header, end) ? TUNNEL.GTP : TUNNEL.NONE;
    }
  }

  #insideGpe(bytes: Uint8Array, header: number, end: number): boolean {
    const at = header + VXLAN_HEADER;
    const protocol = bytes[header + GPE_PROTOCOL];
    if (protocol === 3) return this.#ethernet(bytes, at, end);
    return protocol <= 2 && this.#network(bytes, protocol === 2 ? ETHER.TYPE_IPV6 : ETHER.TYPE_IPV4, at, end);
  }

  #insideGtp(bytes: Uint8Array, header: number, end: number): boolean {
    const at = header + GTP_HEADER + ((bytes[header] & GTP_LONGER) !== 0 ? 4 : 0);
    return bytes[header + 1] === GTP_DATA && at < end && this.#anyIp(bytes, at, end);
  }

  #insideGre(bytes: Uint8Array, header: number, end: number): boolean {
    if (header + 4 > end) return false;
    let at = header + 4;
    for (let i = 0; i < GRE_FIELDS.length; i++) if ((bytes[header] & GRE_FIELDS[i]) !== 0) at += 4;
    return this.#typed(bytes, readUint16BE(bytes, header + 2), at, end);
  }

  #typed(bytes: Uint8Array, type: number, at: number, end: number): boolean {
    return type === TYPE_TEB ? this.#ethernet(bytes, at, end) : this.#network(bytes, type, at, end);
  }

  /** IP of the version that it says. */
  #anyIp(bytes: Uint8Array, at: number, end: number): boolean {
    return this.#network(bytes, bytes[at] >>> 4 === 4 ? ETHER.TYPE_IPV4 : ETHER.TYPE_IPV6, at, end);
  }
}
