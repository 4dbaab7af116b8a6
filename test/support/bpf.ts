// SPDX-License-Identifier: BSD-3-Clause
// A second interpreter of classic BPF, for tests: what a filter of libpcap says of a frame.

/** `code`: struct bpf_insn after struct bpf_insn. True if the filter takes the frame. */
export function passes(code: Uint8Array, frame: Uint8Array): boolean {
  const program = Buffer.from(code);
  const packet = Buffer.from(frame);
  const memory = new Array<number>(16).fill(0);
  let [a, x] = [0, 0];
  for (let pc = 0; ; pc++) {
    const at = pc * 8;
    const [op, k] = [program.readUInt16LE(at), program.readUInt32LE(at + 4)];
    const jump = (yes: boolean) => {
      pc += program[at + (yes ? 2 : 3)] ?? 0;
    };
    const operand = (op & 0x08) !== 0 ? x : k;
    switch (op & 0x07) {
      case 0:
      case 1: {
        const value = load(packet, op, k, x, memory);
        if (value === null) return false;
        if ((op & 0x07) === 0) a = value;
        else x = value;
        break;
      }
      case 2:
        memory[k] = a;
        break;
      case 3:
        memory[k] = x;
        break;
      case 4:
        a = arithmetic(op & 0xf0, a, operand) >>> 0;
        break;
      case 5:
        if ((op & 0xf0) === 0) pc += k;
        else jump(compare(op & 0xf0, a, operand));
        break;
      case 6:
        return ((op & 0x18) === 0x10 ? a : k) !== 0;
      default:
        if ((op & 0xf8) === 0) x = a;
        else a = x;
    }
  }
}

function load(packet: Buffer, op: number, k: number, x: number, memory: readonly number[]): number | null {
  const mode = op & 0xe0;
  if (mode === 0x00) return k;
  if (mode === 0x60) return memory[k] ?? 0;
  if (mode === 0x80) return packet.length;
  if (mode === 0xa0) return k < packet.length ? ((packet[k] ?? 0) & 0xf) * 4 : null;
  const at = mode === 0x40 ? k + x : k;
  const size = { 0: 4, 8: 2, 16: 1 }[op & 0x18] ?? 4;
  return at + size <= packet.length ? packet.readUIntBE(at, size) : null;
}

function arithmetic(op: number, a: number, b: number): number {
  if (op === 0x00) return a + b;
  if (op === 0x10) return a - b;
  if (op === 0x40) return a | b;
  if (op === 0x50) return a & b;
  if (op === 0x60) return a << b;
  if (op === 0x70) return a >>> b;
  throw new Error(`arithmetic ${op}`);
}

function compare(op: number, a: number, b: number): boolean {
  if (op === 0x10) return a === b;
  if (op === 0x20) return a > b;
  if (op === 0x30) return a >= b;
  return (a & b) !== 0;
}
