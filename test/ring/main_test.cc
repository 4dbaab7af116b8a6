// SPDX-License-Identifier: BSD-3-Clause
#include "check.h"

int main() { return check::RunAll(); }
