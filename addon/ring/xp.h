#pragma once
// EXPERIMENT ONLY
#include <x86intrin.h>
#include <cstdio>
#include <cstdint>
#include <algorithm>
#include <vector>
namespace vpci {
struct Xp {
  static constexpr int kShift = 26;
  uint64_t first = 0;
  uint32_t counts[1 << 14] = {};
  bool On() { uint64_t p = __rdtsc() >> kShift; if (!first) first = p & ~uint64_t{1}; return p & 1; }
  void Add(uint32_t n) { uint64_t p = (__rdtsc() >> kShift) - first; if (p < (1 << 14)) counts[p] += n; }
  ~Xp() {
    std::vector<double> r; uint64_t a = 0, b = 0;
    for (int i = 2; i + 1 < (1 << 14); i += 2) {
      if (counts[i] < 1000 || counts[i + 1] < 1000) continue;
      r.push_back(double(counts[i + 1]) / counts[i]); a += counts[i]; b += counts[i + 1];
    }
    if (r.empty()) return;
    std::sort(r.begin(), r.end());
    FILE* f = fopen("/tmp/bm/xp.log", "a");
    double s = (double)(1 << kShift) / 2.6e3 ;
    fprintf(f, "pairs %zu new/old median %.3f q25 %.3f q75 %.3f sums %.3f  old %.2f Mpps new %.2f\n", r.size(), r[r.size() / 2], r[r.size() / 4], r[r.size() * 3 / 4], double(b) / a, a / (r.size() * s), b / (r.size() * s));
    fclose(f);
  }
};
inline Xp xp_rx, xp_tx;
}
