// SPDX-License-Identifier: BSD-3-Clause
// DPDK's virtio PMD as VM2's driver: testpmd sends the frames of one capture file and writes the returned
// frames to another.
import type { Machine } from '../../tools/vm/machine.ts';
import { PEER_ADDRESS } from '../../tools/vm/qemu.ts';
import { decodePcap, encodePcap } from '../support/pcap.ts';
import { START_MS } from './rig.test-help.ts';

/** Unbinds VM2's card from its kernel. */
export const giveToDpdk = (peer: Machine): Promise<string> =>
  peer.run(
    `ip link set eth0 down
     echo 96 >/proc/sys/vm/nr_hugepages
     modprobe uio_pci_generic
     dpdk-devbind.py -b uio_pci_generic ${PEER_ADDRESS}`,
    START_MS,
  );

export const giveToKernel = (peer: Machine): Promise<string> =>
  peer.run(
    `dpdk-devbind.py -b virtio-pci ${PEER_ADDRESS}
     echo 0 >/proc/sys/vm/nr_hugepages
     for i in $(seq 100); do [ -e /sys/class/net/eth0 ] && exit 0; sleep 0.1; done; exit 1`,
    START_MS,
  );

/** Sends `frames` once, waits until as many have come back, and returns those. */
export async function dpdkRoundTrip(peer: Machine, frames: readonly Uint8Array[]): Promise<Buffer[]> {
  const vdev = 'net_pcap0,rx_pcap=/tmp/in.pcap,tx_pcap=/tmp/out.pcap';
  const eal = `-m 128 --lcores 0@0,1@0 -a ${PEER_ADDRESS} --vdev ${vdev}`;
  const options = '--auto-start --forward-mode=io --no-flush-rx --total-num-mbufs=4096 --stats-period=1';
  const back = await peer.run(
    `base64 -d >/tmp/in.pcap <<'END'\n${encodePcap(frames).toString('base64')}\nEND
     dpdk-testpmd ${eal} -- ${options} >/tmp/dpdk.log 2>&1 </dev/null &
     testpmd=$!
     received() { awk '/NIC statistics for port/ { port = $6 } /RX-packets/ && port == 0 { n = $2 } END { print n + 0 }' /tmp/dpdk.log; }
     for i in $(seq 400); do
       [ "$(received)" -ge ${frames.length} ] && break
       sleep 0.2
     done
     # The capture is written through a buffer: it is whole when testpmd has ended.
     kill -INT $testpmd
     wait $testpmd || { cat /tmp/dpdk.log; exit 1; }
     base64 -w0 /tmp/out.pcap`,
    START_MS,
  );
  return decodePcap(Buffer.from(back, 'base64'));
}
