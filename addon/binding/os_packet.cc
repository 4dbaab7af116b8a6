// SPDX-License-Identifier: BSD-3-Clause
// Packet sockets, and changes of interfaces, for JavaScript.
#include <errno.h>

#include <cstring>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "os/link_events.h"
#include "os/packet_socket.h"

namespace vpci {
namespace {

Napi::Value PacketOpen(const Napi::CallbackInfo& info) {
  const std::string name = arg::String(info[0], "name");
  const bool only_incoming = arg::Bool(info[1], "onlyIncoming");
  PacketSocket opened{};
  Check(info.Env(), PacketSocketOpen(name.c_str(), only_incoming, &opened), "packet socket");
  auto mac = Napi::Uint8Array::New(info.Env(), sizeof opened.mac);
  std::memcpy(mac.Data(), opened.mac, sizeof opened.mac);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("fd", opened.fd);
  result.Set("mac", mac);
  return result;
}

Napi::Value PacketReceiveJs(const Napi::CallbackInfo& info) {
  const std::span<uint8_t> into = arg::Bytes(info[1], "into");
  const int64_t n = PacketReceive(arg::Fd(info[0], "fd"), into.data(), into.size());
  return Napi::Number::New(info.Env(), static_cast<double>(n));
}

Napi::Value PacketSendJs(const Napi::CallbackInfo& info) {
  const std::span<uint8_t> frame = arg::Bytes(info[1], "frame");
  const uint32_t length = arg::Uint32(info[2], "length", 0, static_cast<uint32_t>(frame.size()));
  return Napi::Boolean::New(info.Env(), PacketSend(arg::Fd(info[0], "fd"), frame.data(), length) == 0);
}

Napi::Value PacketDroppedJs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), PacketDropped(arg::Fd(info[0], "fd")));
}

Napi::Value PacketLinkJs(const Napi::CallbackInfo& info) {
  constexpr const char* kNames[] = {"up", "down", "no carrier", "gone"};
  const auto link = static_cast<size_t>(PacketLinkOf(arg::Fd(info[0], "fd")));
  return Napi::String::New(info.Env(), kNames[link]);
}

Napi::Value LinkEventsOpenJs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Check(info.Env(), LinkEventsOpen(), "netlink socket"));
}

Napi::Value LinkEventsDrainJs(const Napi::CallbackInfo& info) {
  LinkEventsDrain(arg::Fd(info[0], "fd"));
  return info.Env().Undefined();
}

}  // namespace

void InitOsPacket(Napi::Object exports) {
  Export<PacketOpen>(exports, "packetOpen");
  Export<PacketReceiveJs>(exports, "packetReceive");
  Export<PacketSendJs>(exports, "packetSend");
  Export<PacketDroppedJs>(exports, "packetDropped");
  Export<PacketLinkJs>(exports, "packetLink");
  Export<LinkEventsOpenJs>(exports, "linkEventsOpen");
  Export<LinkEventsDrainJs>(exports, "linkEventsDrain");
}

}  // namespace vpci
