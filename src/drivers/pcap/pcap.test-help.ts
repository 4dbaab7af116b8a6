// SPDX-License-Identifier: BSD-3-Clause
// Capture files for tests of the driver.
import { FileSink } from '../../capture/block-buffer.ts';
import { bytesOf } from '../../capture/packet.ts';
import { PcapWriter } from '../../capture/pcap-writer.ts';
import { PcapngWriter } from '../../capture/pcapng-writer.ts';
import { CaptureFile } from '../../capture/reader.ts';
import { writePacket } from '../../capture/writer.ts';

/** Writes frames one nanosecond apart. */
export function writeCapture(
  path: string,
  frames: readonly Uint8Array[],
  { pcapng = false, linkType = 1 } = {},
): void {
  const file = new FileSink(path);
  const options = { sink: file.write, interfaces: [{ linkType }], nanoseconds: true };
  const writer = pcapng ? new PcapngWriter(options) : new PcapWriter(options);
  frames.forEach((frame, nanoseconds) => {
    const { length } = frame;
    writePacket(
      writer,
      { length, originalLength: length, seconds: 1, nanoseconds, interfaceId: 0, direction: 'in' },
      frame,
    );
  });
  writer.flush();
  file.close();
}

/** The frames of a capture file. */
export function readCapture(path: string): Uint8Array[] {
  const file = CaptureFile.open(path);
  const frames: Uint8Array[] = [];
  for (let one = file.next(); one !== undefined; one = file.next()) frames.push(bytesOf(one).slice());
  file.close();
  return frames;
}
