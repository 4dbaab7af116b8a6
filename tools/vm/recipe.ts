// SPDX-License-Identifier: BSD-3-Clause
// What the rig is made of: Debian packages, kernel modules, and what is left out. Data only; its hash names the built images.

/** The release of the guests, and the one that has a QEMU with a vfio-user client (10.1 or later). */
export const suites = {
  main: 'trixie',
  backports: 'trixie-backports',
  /** Source packages that come from the backports. */
  backportedSources: ['qemu', 'seabios', 'ipxe'],
};

/** Programs that run on the host: QEMU, and what makes images. They are run in place, nothing is installed. */
export const HOST_PACKAGES = ['base-files', 'qemu-system-x86', 'busybox-static', 'squashfs-tools', 'kmod'];

/** The userland and the kernel of both guests. */
export const GUEST_PACKAGES = [
  ...['base-files', 'base-passwd', 'netbase', 'libc-bin', 'libstdc++6'],
  ...[
    'bash',
    'dash',
    'busybox-static',
    'coreutils',
    'findutils',
    'grep',
    'sed',
    'mawk',
    'procps',
    'util-linux',
  ],
  ...['linux-image-amd64', 'kmod', 'pciutils', 'ethtool', 'iproute2', 'iputils-ping', 'iperf3', 'tcpdump'],
  ...['dpdk', 'dpdk-dev', 'librte-net-virtio25', 'python3'],
];

/** Dependencies that nothing in a guest runs: they are not unpacked. */
export const GUEST_UNWANTED = [
  '^lib.*-dev$|^linux-libc-dev$|^pkgconf|^(systemd|udev|initramfs-tools|dracut-install|rdma-core)',
];

/** Paths of the guest's root that the image does without. */
export const GUEST_EXCLUDED = [
  ...['boot', 'usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/zoneinfo', 'usr/share/info'],
  ...['usr/lib/systemd', 'usr/lib/udev', 'usr/lib/x86_64-linux-gnu/systemd'],
];

/** What the first stage loads to reach the image, dependencies first as modprobe would. */
export const BOOT_MODULES = ['virtio_pci', 'virtio_blk', 'squashfs', 'overlay'];

/** Directories of kernel modules that no guest of the rig has a use for. */
export const UNUSED_MODULES = [
  ...['sound', 'drivers/gpu', 'drivers/media', 'drivers/infiniband', 'drivers/iio', 'drivers/staging'],
  ...['drivers/scsi', 'drivers/usb', 'drivers/input', 'drivers/hid', 'drivers/hwmon', 'drivers/net/wireless'],
  ...['drivers/net/ethernet', 'drivers/ata', 'drivers/md', 'drivers/edac', 'drivers/platform'],
];
