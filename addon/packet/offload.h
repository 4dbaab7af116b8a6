// SPDX-License-Identifier: BSD-3-Clause
// Checksum and segmentation offload: converts between the virtio-net header (VIRTIO 1.2, 5.1.6) and the
// metadata of an mbuf. `features` are those that the peer negotiated.
#pragma once
#include "packet/mbuf_pool.h"
#include "ring/layout.h"

namespace vpci {

// Stores what the peer's driver requests in the header of packet `id`, whose bytes and lengths are already in
// the mbuf. False if the request was not negotiated or is invalid: the packet must be dropped. `hdr` is a
// private copy.
bool TakeOffload(uint64_t features, const VirtioNetHdr& hdr, MbufPool& pool, uint32_t id);

enum class Ready {
  kWhole,  // the header describes the packet completely
  kCut,    // the peer does not accept the packet whole: segment it first (segmenter.h)
  kNever,  // the metadata is invalid
};

// Builds the header, except num_buffers, for packet `id` of `bytes` bytes, whose mbuf chain is valid. A
// checksum that the peer's driver does not accept unfinished is filled in here.
Ready MakeHeader(uint64_t features, MbufPool& pool, uint32_t id, uint32_t bytes, VirtioNetHdr* hdr);

}  // namespace vpci
