// SPDX-License-Identifier: BSD-3-Clause
// udp-exchange.mjs ADDRESS PORT [STEP]: sends 64 datagrams, each STEP bytes longer (23), one after the other,
// each until it comes back; prints how many came back unchanged. udp-exchange.mjs serve PORT: returns datagrams.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';

const COUNT = 64;
const AGAIN_MS = 1000;
const [address, port, step = '23'] = process.argv.slice(2);
const socket = createSocket('udp4');

function serve() {
  socket.on('message', (data, from) => socket.send(data, from.port, from.address));
  socket.bind(Number(port), () => console.log('listening'));
}

/** Sends it again where it was lost; a copy that comes later is ignored. */
function returned(data) {
  return new Promise((resolve) => {
    const send = () => socket.send(data, Number(port), address);
    const timer = setInterval(send, AGAIN_MS);
    const heard = (back) => {
      if (!back.subarray(0, 4).equals(data.subarray(0, 4))) return;
      clearInterval(timer);
      socket.off('message', heard);
      resolve(back.equals(data));
    };
    socket.on('message', heard);
    send();
  });
}

async function exchange() {
  let unchanged = 0;
  for (let i = 0; i < COUNT; i++) {
    const data = randomBytes(8 + i * Number(step));
    data.writeUInt32BE(i);
    if (await returned(data)) unchanged++;
  }
  console.log(`${unchanged} of ${COUNT}`);
  socket.close();
}

if (address === 'serve') serve();
else await exchange();
