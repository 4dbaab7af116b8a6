// SPDX-License-Identifier: BSD-3-Clause
// The smallest test runner that does the job: named cases, checks that print their location on failure, and a
// closing line of totals.
#pragma once
#include <cstdio>
#include <vector>

namespace check {

struct Case {
  const char* name;
  void (*run)();
};

inline std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}
inline int failures_in_case = 0;

struct Register {
  Register(const char* name, void (*run)()) { Cases().push_back({name, run}); }
};

inline int RunAll() {
  int passed = 0, failed = 0;
  for (const Case& c : Cases()) {
    failures_in_case = 0;
    c.run();
    (failures_in_case ? failed : passed)++;
    if (failures_in_case) std::printf("FAIL %s\n", c.name);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}

}  // namespace check

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      std::printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      check::failures_in_case++;                                            \
    }                                                                       \
  } while (0)

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
#define TEST(name)                                                                           \
  static void CHECK_JOIN(Test, __LINE__)();                                                  \
  static check::Register CHECK_JOIN(registered, __LINE__)(name, CHECK_JOIN(Test, __LINE__)); \
  static void CHECK_JOIN(Test, __LINE__)()
