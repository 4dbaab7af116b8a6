// SPDX-License-Identifier: BSD-3-Clause
// The contents of the rig: Debian packages, kernel modules, and what is left out. Data only; its hash names
// the images.

/** The release of the guests, and the suite with a QEMU that has a vfio-user client (10.1 or later). */
export const suites = {
  main: 'trixie',
  backports: 'trixie-backports',
  /** Source packages taken from backports. */
  backportedSources: ['qemu', 'seabios', 'ipxe'],
};

/** Programs that run on the host: QEMU, and the image tools. They run in place; nothing is installed. */
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

/** Dependencies that no program in a guest uses; they are not unpacked. */
export const GUEST_UNWANTED = [
  '^lib.*-dev$|^linux-libc-dev$|^pkgconf|^(systemd|udev|initramfs-tools|dracut-install|rdma-core)',
];

/** Paths of the guest's root that are left out of the image. */
export const GUEST_EXCLUDED = [
  ...['boot', 'usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/zoneinfo', 'usr/share/info'],
  ...['usr/lib/systemd', 'usr/lib/udev', 'usr/lib/x86_64-linux-gnu/systemd'],
];

/** Modules that the first stage loads to reach the image; dependencies are added as by modprobe. */
export const BOOT_MODULES = ['virtio_pci', 'virtio_blk', 'squashfs', 'overlay'];

/** Directories of kernel modules that no guest of the rig uses. */
export const UNUSED_MODULES = [
  ...['sound', 'drivers/gpu', 'drivers/media', 'drivers/infiniband', 'drivers/iio', 'drivers/staging'],
  ...['drivers/scsi', 'drivers/usb', 'drivers/input', 'drivers/hid', 'drivers/hwmon', 'drivers/net/wireless'],
  ...['drivers/net/ethernet', 'drivers/ata', 'drivers/md', 'drivers/edac', 'drivers/platform'],
];
