// SPDX-License-Identifier: BSD-3-Clause
// Tap interfaces for JavaScript.
#include <algorithm>

#include "binding/arguments.h"
#include "binding/error.h"
#include "binding/os.h"
#include "os/tap.h"

namespace vpci {
namespace {

Napi::Value Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::string name;
  const int fd = TapOpen(arg::String(info[0], "name"), arg::Bool(info[1], "multiQueue"), &name);
  Check(env, fd, "TUNSETIFF");
  Napi::Object result = Napi::Object::New(env);
  result.Set("fd", Napi::Number::New(env, fd));
  result.Set("name", Napi::String::New(env, name));
  return result;
}

Napi::Value SetOffloads(const Napi::CallbackInfo& info) {
  const Napi::Object o = arg::Object(info[1], "offloads");
  const auto flag = [&](const char* name) { return arg::Bool(o.Get(name), name); };
  const TapOffloads offloads = {flag("csum"), flag("tso4"), flag("tso6"), flag("ecn"), flag("uso")};
  Check(info.Env(), TapSetOffloads(arg::Fd(info[0], "fd"), offloads), "TUNSETOFFLOAD");
  return info.Env().Undefined();
}

Napi::Value SetPersist(const Napi::CallbackInfo& info) {
  Check(info.Env(), TapSetPersist(arg::Fd(info[0], "fd"), arg::Bool(info[1], "persist")), "TUNSETPERSIST");
  return info.Env().Undefined();
}

Napi::Value GetMac(const Napi::CallbackInfo& info) {
  uint8_t mac[6];
  Check(info.Env(), TapGetMac(arg::Fd(info[0], "fd"), mac), "SIOCGIFHWADDR");
  Napi::Uint8Array result = Napi::Uint8Array::New(info.Env(), sizeof mac);
  std::copy_n(mac, sizeof mac, result.Data());
  return result;
}

Napi::Value SetMac(const Napi::CallbackInfo& info) {
  const auto mac = arg::Bytes(info[1], "mac");
  if (mac.size() != 6) throw arg::OutOfRange(info.Env(), "mac", "six bytes long");
  Check(info.Env(), TapSetMac(arg::Fd(info[0], "fd"), mac.data()), "SIOCSIFHWADDR");
  return info.Env().Undefined();
}

Napi::Value Name(const Napi::CallbackInfo& info) {
  std::string name;
  Check(info.Env(), TapName(arg::Fd(info[0], "fd"), &name), "TUNGETIFF");
  return Napi::String::New(info.Env(), name);
}

Napi::Value Mtu(const Napi::CallbackInfo& info) {
  const std::string name = arg::String(info[0], "name");
  return Napi::Number::New(info.Env(), Check(info.Env(), InterfaceMtu(name), "SIOCGIFMTU"));
}

Napi::Value SetMtu(const Napi::CallbackInfo& info) {
  const std::string name = arg::String(info[0], "name");
  Check(info.Env(), InterfaceSetMtu(name, arg::Int32(info[1], "mtu", 0)), "SIOCSIFMTU");
  return info.Env().Undefined();
}

Napi::Value IsUp(const Napi::CallbackInfo& info) {
  const std::string name = arg::String(info[0], "name");
  return Napi::Boolean::New(info.Env(), Check(info.Env(), InterfaceIsUp(name), "SIOCGIFFLAGS") != 0);
}

Napi::Value SetUp(const Napi::CallbackInfo& info) {
  const std::string name = arg::String(info[0], "name");
  Check(info.Env(), InterfaceSetUp(name, arg::Bool(info[1], "up")), "SIOCSIFFLAGS");
  return info.Env().Undefined();
}

}  // namespace

void InitOsTap(Napi::Object exports) {
  Export<Open>(exports, "tapOpen");
  Export<SetOffloads>(exports, "tapSetOffloads");
  Export<SetPersist>(exports, "tapSetPersist");
  Export<GetMac>(exports, "tapGetMac");
  Export<SetMac>(exports, "tapSetMac");
  Export<Name>(exports, "tapName");
  Export<Mtu>(exports, "interfaceMtu");
  Export<SetMtu>(exports, "interfaceSetMtu");
  Export<IsUp>(exports, "interfaceIsUp");
  Export<SetUp>(exports, "interfaceSetUp");
}

}  // namespace vpci
