// SPDX-License-Identifier: BSD-3-Clause
// A guest's console in this terminal: `console.js SOCKET`. Every key goes to the guest except Ctrl-], which
// detaches.
import { connect } from 'node:net';
import { exitProcess } from '../../src/process-end.ts';

const LEAVE = 0x1d;

const [path] = process.argv.slice(2);
if (path) attach(path);
else {
  process.stderr.write('usage: console.js SOCKET\n');
  exitProcess(2);
}

function attach(socketPath: string): void {
  const socket = connect(socketPath);
  const leave = (code: number) => {
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    exitProcess(code);
  };
  socket.on('connect', () => {
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdout.write('Press Ctrl-] to leave this console.\r\n');
    // The shell shows its prompt again.
    socket.write('\n');
  });
  socket.on('error', (error) => {
    process.stderr.write(`console: Failed to connect to ${socketPath}: ${error.message}\n`);
    leave(1);
  });
  socket.on('close', () => leave(0));
  socket.on('data', (data) => process.stdout.write(data));
  process.stdin.on('data', (data) => {
    if (data.includes(LEAVE)) leave(0);
    socket.write(data);
  });
  process.stdin.on('end', () => leave(0));
}
