// SPDX-License-Identifier: BSD-3-Clause
// Queues of sections (docs/device-abi.md, "RFC 2.1").
#include <errno.h>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/ring_registry.h"
#include "binding/ring_stuck.h"
#include "os/mapping.h"

namespace vpci {
namespace {

SectionPart PartArg(const Napi::Value& value, const char* name) {
  const Napi::Object part = arg::Object(value, name);
  const std::string of = name;
  const auto handle = arg::Uint32(part.Get("mapping"), (of + ".mapping").c_str());
  return {nullptr, handle, arg::Size(part.Get("offset"), (of + ".offset").c_str())};
}

void Place(Napi::Env env, SectionPart& part, uint64_t size, bool written, const char* name) {
  Mapping mapping;
  Check(env, MappingGet(part.mapping, &mapping), "queueStartSection");
  if (written && !mapping.writable) throw ErrnoError(env, EACCES, "queueStartSection");
  if (part.mapping_offset > mapping.length || size > mapping.length - part.mapping_offset)
    throw ErrnoError(env, ERANGE,
                     (std::string("queueStartSection: ") + name + " lies outside its mapping").c_str());
  part.base = mapping.base + part.mapping_offset;
}

SectionSetup SetupArg(const Napi::Value& value) {
  const Napi::Object o = arg::Object(value, "setup");
  SectionSetup setup;
  setup.own = PartArg(o.Get("own"), "own");
  setup.peer = PartArg(o.Get("peer"), "peer");
  setup.size = arg::Size(o.Get("size"), "size");
  setup.entries = arg::Uint32(o.Get("entries"), "entries");
  setup.used = arg::Size(o.Get("usedOffset"), "usedOffset");
  setup.data = arg::Size(o.Get("dataOffset"), "dataOffset");
  setup.hdr_bytes = arg::Uint32(o.Get("headerBytes"), "headerBytes", 0, sizeof(VirtioNetHdr));
  if (setup.hdr_bytes != 0 && setup.hdr_bytes != sizeof(VirtioNetHdr))
    throw arg::OutOfRange(value.Env(), "headerBytes", "0 or 12");
  setup.max_frame = arg::Uint32(o.Get("maxFrame"), "maxFrame", kMinPacketBytes, kMaxPacketBytes);
  setup.features = arg::Features(o.Get("features"), "features");
  setup.notify_fd = arg::Int32(o.Get("notifyFd"), "notifyFd", -1);
  return setup;
}

Napi::Value QueueStartSection(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  SectionSetup setup = SetupArg(info[1]);
  // Only once no more JavaScript runs that could unmap or destroy one.
  DeviceQueue& q = QueueArg(info[0]);
  Place(env, setup.own, setup.size, true, "own");
  Place(env, setup.peer, setup.size, false, "peer");
  ReapStuck();
  switch (q.StartSection(setup)) {
    case StartError::kNone:
      // The other mapping is that of its memory table.
      q.place_mapping = q.role == QueueRole::kTx ? setup.peer.mapping : setup.own.mapping;
      break;
    case StartError::kBadSize:
    case StartError::kBadIndex:
      throw ErrnoError(env, EINVAL, "queueStartSection: entries must be a power of two from 32 to 4096");
    case StartError::kMisaligned:
      throw ErrnoError(env, EINVAL,
                       "queueStartSection: parts, used ring and data must begin at multiples of 64");
    case StartError::kOutsideMemory:
      throw ErrnoError(env, ERANGE,
                       "queueStartSection: the rings overlap, or the largest frame does not fit the data");
    case StartError::kRunning:
      throw ErrnoError(env, EBUSY, "queueStartSection: the queue is running");
    case StartError::kStuck:
      throw ErrnoError(env, EBUSY, "queueStartSection: a burst of the queue has not come back");
  }
  return env.Undefined();
}

}  // namespace

void InitRingSections(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "queueStartSection", QueueStartSection);
}

}  // namespace vpci
