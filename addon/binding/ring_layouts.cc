// SPDX-License-Identifier: BSD-3-Clause
// sizeof and offsetof of the C++ layouts, for the test that compares them with src/abi.
#include "binding/ring_registry.h"
#include "ring/device_queue.h"
#include "ring/layout.h"

namespace vpci {
namespace {

Napi::Value Layouts(const Napi::CallbackInfo& info) {
  Napi::Object o = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, size_t n) {
    o.Set(name, Napi::Number::New(info.Env(), static_cast<double>(n)));
  };
  set("vring_desc", sizeof(VringDesc));
  set("vring_desc.addr", offsetof(VringDesc, addr));
  set("vring_desc.len", offsetof(VringDesc, len));
  set("vring_desc.flags", offsetof(VringDesc, flags));
  set("vring_desc.next", offsetof(VringDesc, next));
  set("vring_avail", sizeof(VringAvail));
  set("vring_avail.flags", offsetof(VringAvail, flags));
  set("vring_avail.idx", offsetof(VringAvail, idx));
  set("vring_used", sizeof(VringUsed));
  set("vring_used.flags", offsetof(VringUsed, flags));
  set("vring_used.idx", offsetof(VringUsed, idx));
  set("vring_used_elem", sizeof(VringUsedElem));
  set("vring_used_elem.id", offsetof(VringUsedElem, id));
  set("vring_used_elem.len", offsetof(VringUsedElem, len));
  set("pvirtq_desc", sizeof(VringPackedDesc));
  set("pvirtq_desc.addr", offsetof(VringPackedDesc, addr));
  set("pvirtq_desc.len", offsetof(VringPackedDesc, len));
  set("pvirtq_desc.id", offsetof(VringPackedDesc, id));
  set("pvirtq_desc.flags", offsetof(VringPackedDesc, flags));
  set("pvirtq_event_suppress", sizeof(VringPackedDescEvent));
  set("pvirtq_event_suppress.off_wrap", offsetof(VringPackedDescEvent, off_wrap));
  set("pvirtq_event_suppress.flags", offsetof(VringPackedDescEvent, flags));
  set("virtio_net_hdr_mrg_rxbuf", sizeof(VirtioNetHdr));
  set("virtio_net_hdr_mrg_rxbuf.flags", offsetof(VirtioNetHdr, flags));
  set("virtio_net_hdr_mrg_rxbuf.gso_type", offsetof(VirtioNetHdr, gso_type));
  set("virtio_net_hdr_mrg_rxbuf.hdr_len", offsetof(VirtioNetHdr, hdr_len));
  set("virtio_net_hdr_mrg_rxbuf.gso_size", offsetof(VirtioNetHdr, gso_size));
  set("virtio_net_hdr_mrg_rxbuf.csum_start", offsetof(VirtioNetHdr, csum_start));
  set("virtio_net_hdr_mrg_rxbuf.csum_offset", offsetof(VirtioNetHdr, csum_offset));
  set("virtio_net_hdr_mrg_rxbuf.num_buffers", offsetof(VirtioNetHdr, num_buffers));
  set("vhost_pci_gate_words", sizeof(DriverArea));
  set("vhost_pci_gate_words.busy", offsetof(DriverArea, gate) + offsetof(GateWords, busy));
  set("vhost_pci_gate_words.allowed", offsetof(DriverArea, gate) + offsetof(GateWords, allowed));
  set("vhost_pci_position_words.shown", offsetof(DriverArea, position) + offsetof(PositionWords, places));
  set("vhost_pci_position_words.serial", offsetof(DriverArea, position) + offsetof(PositionWords, serial));
  return o;
}

}  // namespace

void InitRingLayouts(Napi::Env env, Napi::Object exports) { Export(env, exports, "layouts", Layouts); }

}  // namespace vpci
