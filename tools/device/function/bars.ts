// SPDX-License-Identifier: BSD-3-Clause
// Layout of BAR 0 and BAR 1 (docs/device-abi.md, "BARs and capabilities").

export const REGISTER_BAR = 0;
export const REGISTER_BAR_BYTES = 0x4000;
export const STRUCTURE_BYTES = 0x1000;
export const COMMON_OFFSET = 0x0000;
export const ISR_OFFSET = 0x1000;
export const DEVICE_OFFSET = 0x2000;
export const NOTIFY_OFFSET = 0x3000;
export const NOTIFY_MULTIPLIER = 4;

export const MSIX_BAR = 1;
export const MSIX_BAR_BYTES = 0x4000;
export const MSIX_PBA_OFFSET = 0x2000;
