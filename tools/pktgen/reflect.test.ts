// SPDX-License-Identifier: BSD-3-Clause
// --reflect --ip against a kernel: a tap whose near end is in a network namespace of its own.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { interfaceName, Namespace, tapMissing } from '../../test/support/netns.ts';
import { Tool } from '../../test/support/tool.ts';

const SCRIPT = 'tools/pktgen/main.ts';
/** Sends the frames of its arguments, in hexadecimal, by the interface that is named first. */
const SEND = `import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]: s.send(bytes.fromhex(frame))`;
/** An ARP request from a socket, as arping sends it; prints the MAC address of the reply. */
const ARPING = `import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind((sys.argv[1], 0x0806))
s.settimeout(20)
mac = s.getsockname()[4]
ip = socket.inet_aton
s.send(b'\\xff' * 6 + mac + bytes.fromhex('08060001080006040001') + mac + ip('10.77.0.1') + bytes(6) + ip(sys.argv[2]))
while True:
    reply = s.recv(2048)
    if reply[20:22] == b'\\x00\\x02' and reply[28:32] == ip(sys.argv[2]) and reply[32:38] == mac: break
print(reply[22:28].hex(':'))`;

const TO = 'ffffffffffff020000000001';
/** An echo request to 10.77.0.2 whose lengths and checksums are whatever they are. */
const echo = (version: string, total: string, options = '', icmp = '0800f7ff00000000') =>
  `${TO}0800${version}00${total}00000000400100000a4d00010a4d0002${options}${icmp}`;
const HOSTILE = {
  'a cut ARP request': `${TO}080600010800060400010200`,
  'ARP with addresses of other lengths': `${TO}08060001080008100001${'02'.repeat(40)}`,
  'ICMP after options': echo('46', '0020', '07040000'),
  'a header past the end': echo('4f', '001c'),
  'a header that is too short': echo('41', '001c'),
  'a total length past the end': echo('45', 'ffff'),
  'a total length of 0': echo('45', '0000'),
  'a cut ICMP header': echo('45', '001c', '', '0800'),
  'a fragment': `${TO}08004500001c00002000400100000a4d00010a4d00020800f7ff00000000`,
  'a tag and nothing more': `${TO}81000001`,
  'IPv6 with a length past the end': `${TO}86dd60000000ffff3aff${'fd'.repeat(32)}8700`,
};

describe.skipIf(tapMissing())('--reflect --ip', () => {
  let near: Namespace;
  let far: Tool;
  let iface: string;
  beforeEach(async () => {
    near = new Namespace();
    iface = interfaceName();
    const device = `net_tap0,iface=${iface},mac=02:00:00:00:00:08`;
    far = new Tool(SCRIPT, ['--reflect', '--vdev', device, '--ip', '10.77.0.2,fd77::2']);
    await far.printed('answering for 10.77.0.2,fd77::2');
    near.adopt(iface, '10.77.0.1/24');
    near.run('sysctl', '-qw', `net.ipv6.conf.${iface}.disable_ipv6=0`);
    near.ip('address', 'add', 'fd77::1/64', 'dev', iface, 'nodad');
  });
  afterEach(async () => {
    await far.kill();
    near.close();
  });

  const ping = (address: string) => near.runAsync('ping', '-c', '3', '-i', '0.2', '-W', '20', address);

  it('is a host for a kernel: ping finds it, by ARP and by neighbour discovery', async () => {
    expect(await ping('10.77.0.2')).toContain(' 3 received, 0% packet loss');
    expect(await ping('fd77::2')).toContain(' 3 received, 0% packet loss');
    const neighbours = near.ip('neighbour', 'show', 'dev', iface);
    expect(neighbours).toMatch(/^10\.77\.0\.2 lladdr 02:00:00:00:00:09 /m);
    expect(neighbours).toMatch(/^fd77::2 lladdr 02:00:00:00:00:09 /m);
    const reply = await near.runAsync('python3', '-c', ARPING, iface, '10.77.0.2');
    expect(reply.trim()).toBe('02:00:00:00:00:09');
    await far.kill('SIGINT');
    const [, sent, answers] =
      /sent back (\d+) frames, \d+ bytes; (\d+) of them are answers/.exec(far.output) ?? [];
    // Six pings, two addresses, one of them twice; and what the kernel asks again.
    expect(Number(answers)).toBeGreaterThanOrEqual(9);
    expect(Number(sent)).toBeGreaterThanOrEqual(Number(answers));
  });

  it('is nobody else: another address is not found', async () => {
    await expect(near.runAsync('ping', '-c', '1', '-W', '1', '10.77.0.3')).rejects.toThrow('0 received');
  });

  it('survives what no kernel sends, and answers on', async () => {
    await near.runAsync('python3', '-c', SEND, iface, ...Object.values(HOSTILE));
    expect(await ping('10.77.0.2')).toContain(' 3 received, 0% packet loss');
    expect(far.running).toBe(true);
  });
});
