// SPDX-License-Identifier: BSD-3-Clause
// The functions that poll loops call: raw Node-API (about 40 ns per call; a wrapped method costs three times
// that), small integers in and out, no allocation. An invalid handle does nothing and returns 0: there are no
// exceptions on this path.
#include <node_api.h>

#include <algorithm>

#include "binding/hot.h"
#include "binding/ring_registry.h"
#include "burst/bare_burst.h"
#include "burst/device_rx.h"
#include "burst/device_tx.h"
#include "burst/in_place.h"
#include "burst/relay.h"
#include "burst/repeat.h"
#include "os/tsc.h"

namespace vpci {
namespace {

Registry& g = TheRegistry();

DeviceQueue* QueueOf(uint32_t handle, QueueRole role) {
  DeviceQueue* q = g.Queue(handle);
  return q && q->role == role ? q : nullptr;
}

napi_value PoolAlloc(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  Vector vector(a[0]);
  const uint32_t n = std::min(a[1], vector.capacity), length = a[2];
  if (n == 0 || length > vector.pool->data_room() || !vector.pool->Alloc(vector.ids, n))
    return Number(env, 0);
  vector.pool->Begin(vector.ids, n, length);
  return Number(env, n);
}

napi_value PoolFree(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  Vector vector(a[0]);
  uint32_t to = std::min(a[2], vector.capacity);
  if (a[1] < to) vector.pool->Free(vector.ids + a[1], to - a[1]);
  return nullptr;
}

napi_value QueueRxBurst(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  DeviceQueue* q = QueueOf(a[0], QueueRole::kRx);
  Vector vector(a[1]);
  uint32_t n = std::min(a[2], vector.capacity);
  return Number(env, q && n ? RxBurst(*q, *vector.pool, vector.ids, n) : 0);
}

napi_value QueueTxBurst(napi_env env, napi_callback_info info) {
  Args<4> a(env, info);
  DeviceQueue* q = QueueOf(a[0], QueueRole::kTx);
  Vector vector(a[1]);
  uint32_t to = std::min(a[3], vector.capacity);
  return Number(env, q && a[2] < to ? TxBurst(*q, *vector.pool, vector.ids + a[2], to - a[2]) : 0);
}

napi_value QueueArm(napi_env env, napi_callback_info info) {
  Args<1> a(env, info);
  DeviceQueue* q = g.Queue(a[0]);
  napi_value result;
  napi_get_boolean(env, !q || q->Arm(), &result);
  return result;
}

napi_value QueueDisarm(napi_env env, napi_callback_info info) {
  Args<1> a(env, info);
  if (DeviceQueue* q = g.Queue(a[0])) q->Disarm();
  return nullptr;
}

// One of the four steps of in_place.h.
template <QueueRole kRole, uint32_t (*kStep)(DeviceQueue&, uint32_t)>
napi_value InPlaceStep(napi_env env, napi_callback_info info) {
  Args<2> a(env, info);
  DeviceQueue* q = QueueOf(a[0], kRole);
  return Number(env, q ? kStep(*q, a[1]) : 0);
}

napi_value QueueRepeat(napi_env env, napi_callback_info info) {
  Args<4> a(env, info);
  DeviceQueue* q = QueueOf(a[0], QueueRole::kTx);
  Vector vector(a[1]);
  napi_value result;
  napi_create_int32(env, q && vector.capacity ? Repeat(*q, *vector.pool, vector.ids[0], a[2], a[3]) : 0,
                    &result);
  return result;
}

napi_value QueueRelay(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  DeviceQueue* rx = QueueOf(a[0], QueueRole::kRx);
  DeviceQueue* tx = QueueOf(a[1], QueueRole::kTx);
  napi_value result;
  napi_create_int32(env, rx && tx ? RelayBurst(*rx, *tx, a[2]) : 0, &result);
  return result;
}

napi_value QueueRelayMac(napi_env env, napi_callback_info info) {
  Args<6> a(env, info);
  DeviceQueue* rx = QueueOf(a[0], QueueRole::kRx);
  DeviceQueue* tx = QueueOf(a[1], QueueRole::kTx);
  const Addresses addresses = {{a[3], a[4], a[5]}};
  napi_value result;
  napi_create_int32(env, rx && tx ? RelayBurst(*rx, *tx, a[2], &addresses) : 0, &result);
  return result;
}

// One of the bursts of bare_burst.h.
template <uint32_t (*kBurst)(DeviceQueue&, uint32_t, uint32_t)>
napi_value BareBurst(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  DeviceQueue* q = g.Queue(a[0]);
  return Number(env, q ? kBurst(*q, a[1], a[2]) : 0);
}

// The same for those that work both rings.
template <uint32_t (*kBurst)(DeviceQueue&, DeviceQueue&, uint32_t, uint32_t)>
napi_value BareAcross(napi_env env, napi_callback_info info) {
  Args<4> a(env, info);
  DeviceQueue* rx = QueueOf(a[0], QueueRole::kRx);
  DeviceQueue* tx = QueueOf(a[1], QueueRole::kTx);
  return Number(env, rx && tx ? kBurst(*rx, *tx, a[2], a[3]) : 0);
}

napi_value DriverGenerate(napi_env env, napi_callback_info info) {
  Args<2> a(env, info);
  PeerTraffic* tx = g.driver_queues.Get(a[0]);
  return Number(env, tx ? tx->Generate(a[1]) : 0);
}

struct ReceiveArgs {
  PeerTraffic* rx;
  uint32_t n = 0;
  bool check = false;

  ReceiveArgs(napi_env env, napi_callback_info info) {
    napi_value argv[3];
    size_t argc = 3;
    uint32_t queue = 0;
    napi_get_cb_info(env, info, &argc, argv, nullptr, nullptr);
    napi_get_value_uint32(env, argv[0], &queue);
    napi_get_value_uint32(env, argv[1], &n);
    napi_get_value_bool(env, argv[2], &check);
    rx = g.driver_queues.Get(queue);
  }
};

napi_value DriverReceive(napi_env env, napi_callback_info info) {
  const ReceiveArgs a(env, info);
  return Number(env, a.rx ? a.rx->Receive(a.n, a.check) : 0);
}

// The time is read after the frames are taken, so it is never earlier than their arrival.
napi_value DriverReceiveTimed(napi_env env, napi_callback_info info) {
  const ReceiveArgs a(env, info);
  if (!a.rx) return Number(env, 0);
  DriverArrivals& arrivals = a.rx->arrivals;
  const uint32_t frames = a.rx->Receive(std::min(a.n, DriverArrivals::kMax), a.check, arrivals.sequence);
  arrivals.time = static_cast<double>(ReadTsc());
  return Number(env, frames);
}

napi_value DriverEcho(napi_env env, napi_callback_info info) {
  Args<3> a(env, info);
  PeerTraffic* rx = g.driver_queues.Get(a[0]);
  PeerTraffic* tx = g.driver_queues.Get(a[1]);
  return Number(env, rx && tx ? rx->Echo(*tx, a[2]) : 0);
}

// A double would be a heap object in JavaScript; a difference below 2^31 is not.
napi_value TscLap(napi_env env, napi_callback_info) {
  static thread_local uint64_t last = 0;
  const uint64_t now = ReadTsc();
  const uint64_t lap = std::min<uint64_t>(now - last, 0x7fffffff);
  last = now;
  return Number(env, static_cast<uint32_t>(lap));
}

napi_value TscTick(napi_env env, napi_callback_info) { return Number(env, ReadTick()); }

}  // namespace

void InitRingHot(Napi::Env env, Napi::Object exports) {
  const napi_property_descriptor functions[] = {
      {"poolAlloc", nullptr, PoolAlloc, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"poolFree", nullptr, PoolFree, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"rxBurst", nullptr, QueueRxBurst, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"txBurst", nullptr, QueueTxBurst, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"queueArm", nullptr, QueueArm, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"queueDisarm", nullptr, QueueDisarm, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"txReserve", nullptr, InPlaceStep<QueueRole::kTx, Reserve>, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"txRepeat", nullptr, QueueRepeat, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"txCommit", nullptr, InPlaceStep<QueueRole::kTx, Commit>, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"rxPeek", nullptr, InPlaceStep<QueueRole::kRx, Peek>, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"rxRelease", nullptr, InPlaceStep<QueueRole::kRx, Release>, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"relayBurst", nullptr, QueueRelay, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"relayMacBurst", nullptr, QueueRelayMac, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"returnBurst", nullptr, BareBurst<ReturnBurst>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"touchBurst", nullptr, BareBurst<TouchBurst>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"returnAcross", nullptr, BareAcross<ReturnAcross>, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"touchAcross", nullptr, BareAcross<TouchAcross>, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"tscLap", nullptr, TscLap, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"tscTick", nullptr, TscTick, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"driverGenerate", nullptr, DriverGenerate, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"driverReceive", nullptr, DriverReceive, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"driverReceiveTimed", nullptr, DriverReceiveTimed, nullptr, nullptr, nullptr, napi_enumerable,
       nullptr},
      {"driverEcho", nullptr, DriverEcho, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(functions), functions);
}

}  // namespace vpci
