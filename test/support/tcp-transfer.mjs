// SPDX-License-Identifier: BSD-3-Clause
// One end of a TCP transfer: `receive PORT` prints "listening", then the SHA-256 of the received bytes;
// `send HOST PORT BYTES SEED` sends bytes derived from the seed and prints their SHA-256.
import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { Readable } from 'node:stream';

const [mode, ...args] = process.argv.slice(2);
const hash = createHash('sha256');

if (mode === 'receive') {
  const server = createServer((socket) => {
    socket.on('data', (part) => hash.update(part));
    socket.on('end', () => {
      console.log(hash.digest('hex'));
      socket.end();
      server.close();
    });
  });
  server.listen(Number(args[0]), () => console.log('listening'));
} else {
  const [host, port, bytes, seed] = [args[0], Number(args[1]), Number(args[2]), Number(args[3])];
  const socket = connect(port, host, () => Readable.from(parts(bytes, seed)).pipe(socket));
  socket.resume().on('close', () => console.log(hash.digest('hex')));
}

function* parts(bytes, seed) {
  let state = seed >>> 0;
  for (let left = bytes; left > 0; left -= 65_536) {
    const part = Buffer.alloc(Math.min(left, 65_536));
    for (let i = 0; i + 4 <= part.length; i += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      part.writeUInt32LE(state, i);
    }
    hash.update(part);
    yield part;
  }
}
