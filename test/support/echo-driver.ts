// SPDX-License-Identifier: BSD-3-Clause
// A program that opens the device at the socket given as its argument and echoes; it prints a line after 5000
// packets.
import { vhostPciDriver } from '../../src/drivers/vhost-pci/driver.ts';
import { Echo } from './echo.ts';
import { until } from './wait.ts';

const port = vhostPciDriver.probe(0, 'net_vhost_pci0', new Map([['path', process.argv[2] ?? '']]));
port.start();
new Echo(port);
await until('5000 packets came', () => port.stats().ipackets > 5000);
console.log('5000 packets');
