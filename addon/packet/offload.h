// SPDX-License-Identifier: BSD-3-Clause
// Checksum and segmentation offload: the network header of the peer's packets (VIRTIO 1.2, 5.1.6) against the
// metadata of an mbuf. `features` are those that the peer negotiated.
#pragma once
#include "packet/mbuf_pool.h"
#include "ring/layout.h"

namespace vpci {

// Takes what the peer's driver asks for in the header of packet `id`, whose bytes and lengths are in the mbuf
// already. False when it asks for what was not negotiated or for what makes no sense: the packet is not to be
// handed on. `hdr` is a private copy.
bool TakeOffload(uint64_t features, const VirtioNetHdr& hdr, MbufPool& pool, uint32_t id);

enum class Ready {
  kWhole,  // the header says all
  kCut,    // the peer takes no such packet whole: it is to be cut into segments first (segmenter.h)
  kNever,  // the metadata makes no sense
};

// The header for packet `id` of `bytes` bytes, whose segments are sane, but for num_buffers. A checksum that
// the peer's driver does not take unfinished is filled in here.
Ready MakeHeader(uint64_t features, MbufPool& pool, uint32_t id, uint32_t bytes, VirtioNetHdr* hdr);

}  // namespace vpci
