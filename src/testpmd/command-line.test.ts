// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { helpText, parseCommandLine } from './command-line.ts';
import { UsageError } from './getopt.ts';
import { chooseLcores } from './lcores.ts';
import { peerMac } from './settings.ts';

const parse = (line: string) => parseCommandLine(line.split(' ').filter((word) => word !== ''));

describe('the command line', () => {
  it('is split at --', () => {
    const { eal, settings } = parse('-l 0-1 --vdev net_null0,size=128 --vdev=net_null1 -- -ia --burst=8');
    expect(eal.vdevs).toEqual(['net_null0,size=128', 'net_null1']);
    expect(eal.lcores.map((l) => l.id)).toEqual([0, 1]);
    expect(settings).toMatchObject({ interactive: true, autoStart: true, burst: 8 });
  });

  it('accepts the command lines that DPDK users try first', () => {
    parse('-l 0-1 -n 4 --file-prefix=g1 --vdev net_null0 -- -i --nb-cores=1 --rxd=1024 --txd=1024');
    parse('-l 0-1 --no-huge --in-memory --no-pci -m 256 --vdev net_null0 -- -i');
    parse(
      '--lcores 0@1,1@1 --single-file-segments --huge-dir /h --no-telemetry --proc-type auto --iova-mode va --',
    );
    parse(
      '-c 0x3 --log-level=pmd.net.virtio:debug --huge-unlink --huge-unlink=never -- --forward-mode=txonly',
    );
  });

  it('takes the last of two values, as scripts append theirs', () => {
    const { eal, settings } = parse('-l 0-1 -l 0 -- --burst=8 --rxq=2 --burst=16 --rxq=3');
    expect(eal.lcores.map((l) => l.id)).toEqual([0]);
    expect(settings).toMatchObject({ burst: 16, rxQueues: 3 });
  });

  it("accepts the options of DPDK users' scripts, and says which have no effect", () => {
    const { settings } = parse(
      '-a 0:0.0 -v -- -i --tx-offloads=0x0 --rx-offloads=0x2000 --enable-hw-vlan-strip --max-pkt-len=1518 --coremask=0x2',
    );
    expect(settings.coreList).toEqual([1]);
    expect(settings).toMatchObject({ txOffloads: 0, rxOffloads: 0x2000, maxPktLen: 1518 });
    expect(settings.notes).toEqual([]);
    expect(parse('-a 0:0.0 -v --').eal).toMatchObject({ allowed: [], version: false, showVersion: true });
    expect(() => parse('--proc-type=secondary --')).toThrow('ports belong to one process');
  });

  it('sets what is sent', () => {
    const { traffic } = parse(
      '-- --txonly-multi-flow --txonly-flows=8 --tx-ip=10.0.0.1,10.0.0.2 --tx-udp=7,8 --flowgen-flows=9 ' +
        '--flowgen-clones=2 --noisy-tx-sw-buffer-size=512 --noisy-tx-sw-buffer-flushtime=20 --noisy-lkup-memory=2 ' +
        '--noisy-lkup-num-writes=3 --noisy-lkup-num-reads=4 --noisy-lkup-num-reads-writes=5 --noisy-forward-mode=mac',
    ).settings;
    expect(traffic).toMatchObject({
      multiFlow: true,
      flows: 8,
      sourceIp: '10.0.0.1',
      destinationIp: '10.0.0.2',
    });
    expect(traffic).toMatchObject({ sourcePort: 7, destinationPort: 8, flowgenFlows: 9, flowgenClones: 2 });
    expect(traffic.noisy).toMatchObject({ bufferSize: 512, flushTime: 20, forwardMode: 'mac' });
    expect(traffic.noisy).toMatchObject({ memory: 2, writes: 3, reads: 4, readsWrites: 5 });
    expect(parse('-- --tx-udp=7').settings.traffic).toMatchObject({ sourcePort: 7, destinationPort: 7 });
    expect(() => parse('-- --tx-ip=10.0.0.1')).toThrow("option '--tx-ip'");
    expect(() => parse('-- --noisy-tx-sw-buffer-size=3')).toThrow('3 is not a power of two');
    expect(() => parse('-- --noisy-lkup-num-reads=3')).toThrow("'--noisy-lkup-memory' must be > 0");
    expect(() => parse('-- --noisy-forward-mode=x')).toThrow("'x' is not one of io, mac, macswap, 5tswap");
  });

  it('takes the first size of several mbuf sizes, and says so', () => {
    const { settings } = parse('-- --mbuf-size=2304,4096 --multi-rx-mempool');
    expect(settings.mbufSize).toBe(2304);
    expect(settings.notes).toEqual([
      '--mbuf-size: 4096 has no effect: no port here takes mbufs of two pools',
      '--multi-rx-mempool has no effect: no port here has it',
    ]);
  });

  it('takes a beginning that only one option has, as getopt_long does', () => {
    expect(parse('--lcore=0-1 -- --stats 2 --forward-mod=mac').settings).toMatchObject({
      statsPeriod: 2,
      mode: 'mac',
    });
    expect(() => parse('-- --cmdline=f')).toThrow('did you mean --cmdline-file or --cmdline-file-noecho?');
  });

  it('sets the setting of every option', () => {
    const { settings } = parse(
      '-- --forward-mode=macswap --stats-period 2 --tx-first --txpkts=64,200 --nb-ports=1 --portmask=0x5 ' +
        '--port-topology=loop --rxq=2 --txq=3 --mbuf-size=4096 --total-num-mbufs=2048 --eth-peer=1,0a:00:00:00:00:0b ' +
        '--no-lsc-interrupt --disable-link-check --cmdline-file=/f --record-core-cycles --nb-cores=3 --rx-interrupt=adaptive ' +
        '--no-in-place',
    );
    expect(settings).toMatchObject({
      mode: 'macswap',
      statsPeriod: 2,
      txFirst: true,
      txSegments: [64, 200],
      nbPorts: 1,
      portList: [0, 2],
      topology: 'loop',
      rxQueues: 2,
      txQueues: 3,
      mbufSize: 4096,
      mbufs: 2048,
      lscInterrupt: false,
      linkCheck: false,
      commandFile: '/f',
      commandFileEcho: true,
      recordCycles: true,
      inPlace: false,
      nbCores: 3,
      rxInterrupt: 'adaptive',
    });
    expect(peerMac(settings, 1)).toBe('0A:00:00:00:00:0B');
    expect(peerMac(settings, 12)).toBe('02:00:00:00:00:0C');
    expect(parse('-- --portlist=2,0-1').settings.portList).toEqual([2, 0, 1]);
  });

  it('accepts several file systems for memory in one option', () => {
    const { eal } = parse('--allow-memory-fs ext4,xfs --no-huge --allow-memory-fs=fuse.sshfs --');
    expect(eal.memoryFileSystems).toEqual(['ext4', 'xfs', 'fuse.sshfs']);
    expect(parse('--no-huge --').eal.memoryFileSystems).toEqual([]);
  });

  it.each([
    ['--allow-memory-fs ext4,,xfs', "option '--allow-memory-fs ext4,,xfs': expected names such as ext4,xfs"],
    ['--allow-memory-fs=/mnt', "option '--allow-memory-fs /mnt': expected names"],
    ['--allow-memory-fs', "option '--allow-memory-fs' needs a value"],
    ['--foo', "unknown option '--foo', see --help: EAL options go before --, testpmd options after it"],
    ['-z', "unknown option '-z', see --help: EAL options go before --, testpmd options after it"],
    ['--vdve net_null0', "unknown option '--vdve': did you mean --vdev?"],
    ['-- --forwrad-mode io', "unknown option '--forwrad-mode': did you mean --forward-mode?"],
    ['-w 0000:00:04.0', "option '-w' has gone from DPDK: use -a"],
    ['--master-lcore 0', "option '--master-lcore' has gone from DPDK: use --main-lcore"],
    ['-- --txqflags=0xf00', "option '--txqflags' has gone from DPDK: use --tx-offloads"],
    ['-- --cmdline=f', "unknown option '--cmdline': did you mean --cmdline-file or --cmdline-file-noecho?"],
    [
      '--stats-perod 1 -- -i',
      "unknown option '--stats-perod': did you mean --stats-period? It belongs after --, as in: [EAL options] -- [testpmd options]",
    ],
    [
      '-- --vdve net_null0',
      "unknown option '--vdve': did you mean --vdev? It belongs before --, as in: [EAL options] -- [testpmd options]",
    ],
    ['-i --vdev net_null0', "option '-i' belongs after --, as in: [EAL options] -- [testpmd options]"],
    ['--nb-cores=1', "option '--nb-cores' belongs after --, as in: [EAL options] -- [testpmd options]"],
    ['-- -i -l 0', "option '-l' belongs before --, as in: [EAL options] -- [testpmd options]"],
    ['-- --vdev=net_null0', "option '--vdev' belongs before --, as in: [EAL options] -- [testpmd options]"],
    ['net_null0', "unexpected argument 'net_null0'"],
    ['--vdev', "option '--vdev' needs a value"],
    ['--no-pci=1', "option '--no-pci' takes no value"],
    ['-l 3-1', "option '-l'"],
    ['-a 0:4.0', "option '-a 0:4.0': '0:4.0' is not a PCI address such as 0000:00:04.0"],
    ['--allow=eth0,mac=x', "option '--allow eth0,mac=x': 'eth0' is not a PCI address"],
    ['-- --foo=1', "unknown option '--foo', see --help: EAL options go before --, testpmd options after it"],
    ['-- -iz', "unknown option '-z'"],
    ['-- --burst=513', "'513'"],
    ['-- --burst=x', "'x'"],
    // regression: it was accepted, and the lcore then failed to create its pool
    ['-- --mbuf-size=2176,9', "option '--mbuf-size': '9' is not a whole number from 192 to 65472"],
    ['-- --mbuf-size=65473', "option '--mbuf-size': '65473' is not a whole number from 192 to 65472"],
    [
      '-- --forward-mode=frob',
      "option '--forward-mode': 'frob' is not one of io, mac, macswap, flowgen, rxonly, txonly",
    ],
    ['-- --port-topology=ring', "'ring' is not one of paired, chained, loop"],
    ['-- --rx-interrupt=maybe', "option '--rx-interrupt': 'maybe' is not one of off, on, adaptive"],
    ['-- --eth-peer=0,zz', "option '--eth-peer': Invalid ethernet address: zz"],
    ['-- --portmask=0', "option '--portmask'"],
    ['-- --portlist=-1', "option '--portlist': '-1' is neither a port from 0 to 31 nor a range"],
    ['-- --portlist=0-', "option '--portlist': '0-' is neither"],
    ['--vdev=', "option '--vdev': expected a device such as net_null0, not ''"],
    ['-- --txpkts=20', 'total packet length=20 < 42 - give up'],
    ['-- --txpkts=4000', 'length[0]=4000 > mbuf_data_size=2048'],
    ['-- --tx-first -i', "option '--tx-first' cannot be used in interactive mode"],
  ])('refuses %s', (line, message) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(message);
  });

  it('has a help text that lists every option of the table', () => {
    for (const name of ['--vdev', '-l, --lcores', '--forward-mode', '--stats-period', '-i, --interactive']) {
      expect(helpText()).toContain(name);
    }
  });
});

describe('lcores', () => {
  const choose = (line: string, cpus: number[]) => {
    const { main, forwarding } = chooseLcores(parse(line).eal, cpus);
    return `${main.id}|${forwarding.map((l) => `${l.id}@${l.cpus.join('+')}`)}`;
  };

  it('leave the main lcore out of forwarding', () => {
    expect(choose('-l 0-2', [0, 1, 2])).toBe('0|1@1,2@2');
    expect(choose('-l 0-2 --main-lcore 1', [0, 1, 2])).toBe('1|0@0,2@2');
    expect(choose('--lcores 0@1,1@1', [0, 1])).toBe('0|1@1');
  });

  it('default to one per CPU of the process, or two on a single CPU', () => {
    expect(choose('', [2, 3])).toBe('2|3@3');
    expect(choose('', [5])).toBe('0|1@5');
  });

  it('need existing CPUs and leave one lcore for forwarding', () => {
    expect(() => choose('-l 0', [0, 1])).toThrow('no lcore is left for forwarding');
    expect(() => choose('-l 0,9', [0, 1])).toThrow(
      'lcore 9: CPU 9 is not among the CPUs of this process (0, 1)',
    );
    expect(() => choose('-l 0-1 --main-lcore 4', [0, 1])).toThrow('lcore 4 is not in the list');
  });
});
