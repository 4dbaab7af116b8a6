// SPDX-License-Identifier: BSD-3-Clause
// What stands for an object of the addon.
//
// Handles are small integers, valid in every worker thread of the process. A released handle stays invalid
// even if another object has taken its slot; 0 is never the handle of a ring object.

export type MappingHandle = number & { readonly mapping: unique symbol };
export type MemoryHandle = number & { readonly memory: unique symbol };
export type QueueHandle = number & { readonly queue: unique symbol };
export type PoolHandle = number & { readonly pool: unique symbol };
export type VectorHandle = number & { readonly vector: unique symbol };
export type WaitSetHandle = number & { readonly waitSet: unique symbol };
export type TapQueueHandle = number & { readonly tapQueue: unique symbol };
export type DriverQueueHandle = number & { readonly driverQueue: unique symbol };
