// SPDX-License-Identifier: BSD-3-Clause
// Capture files as Wireshark reads them: tshark decodes a file and writes the packets in the oldest format,
// whose records are taken apart here without the project's own reader.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** libpcap's file header, and the header of a record (pcap-savefile(5)). */
const FILE_BYTES = 24;
const RECORD_BYTES = 16;
const NANOSECONDS = 0xa1b23c4d;

export interface TsharkFrame {
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  readonly originalLength: number;
  readonly bytes: Buffer;
}

/** All packets of the file, one by one; throws what tshark complains about. */
export async function* framesByTshark(path: string): AsyncGenerator<TsharkFrame> {
  const tshark = spawn('tshark', ['-r', path, '-F', 'nsecpcap', '-w', '-'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(tshark, 'close');
  let complaints = '';
  tshark.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  let rest = Buffer.alloc(0);
  let headed = false;
  for await (const chunk of tshark.stdout) {
    rest = Buffer.concat([rest, chunk]);
    if (!headed && rest.length >= FILE_BYTES) {
      if (rest.readUInt32LE(0) !== NANOSECONDS) throw new Error('tshark wrote another format');
      rest = rest.subarray(FILE_BYTES);
      headed = true;
    }
    let at = 0;
    while (headed && rest.length - at >= RECORD_BYTES) {
      const length = rest.readUInt32LE(at + 8);
      const end = at + RECORD_BYTES + length;
      if (rest.length < end) break;
      const time = BigInt(rest.readUInt32LE(at)) * 1_000_000_000n + BigInt(rest.readUInt32LE(at + 4));
      const bytes = rest.subarray(at + RECORD_BYTES, end);
      yield { time, originalLength: rest.readUInt32LE(at + 12), bytes };
      at = end;
    }
    rest = rest.subarray(at);
  }
  const [code] = await closed;
  if (code !== 0 || rest.length > 0) throw new Error(`tshark cannot read ${path}: ${complaints}`);
}
