// SPDX-License-Identifier: BSD-3-Clause
#include "packet/capture_filter.h"

namespace vpci {
namespace {

// Parts of an instruction's code, as in <pcap/bpf.h>.
// Classes.
constexpr uint16_t kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu = 4, kJmp = 5, kRet = 6, kMisc = 7;
// LD and LDX: sizes and modes.
constexpr uint16_t kWord = 0x00, kHalf = 0x08, kByte = 0x10;
constexpr uint16_t kImm = 0x00, kAbs = 0x20, kInd = 0x40, kMem = 0x60, kLen = 0x80, kMsh = 0xa0;
// ALU; the one left is NEG.
constexpr uint16_t kAdd = 0x00, kSub = 0x10, kMul = 0x20, kDiv = 0x30, kOr = 0x40, kAnd = 0x50, kLsh = 0x60,
                   kRsh = 0x70, kNeg = 0x80, kMod = 0x90, kXor = 0xa0;
// JMP; the one left is JSET.
constexpr uint16_t kJa = 0x00, kJeq = 0x10, kJgt = 0x20, kJge = 0x30, kJset = 0x40;
constexpr uint16_t kX = 0x08;     // the operand is X, not K
constexpr uint16_t kRetA = 0x10;  // RET: the result is A, not K
constexpr uint16_t kTxa = 0x80;   // MISC: X to A, not A to X
constexpr uint32_t kWords = 16;   // of scratch memory
constexpr uint32_t kAll = 0xffffffff;

uint16_t ClassOf(uint16_t code) { return code & 7; }
uint16_t OperationOf(uint16_t code) { return code & 0xf0; }

bool ValidLoad(const BpfInstruction& i) {
  switch (i.code) {
    case kLd | kWord | kAbs:
    case kLd | kHalf | kAbs:
    case kLd | kByte | kAbs:
    case kLd | kWord | kInd:
    case kLd | kHalf | kInd:
    case kLd | kByte | kInd:
    case kLd | kWord | kLen:
    case kLdx | kWord | kLen:
    case kLd | kImm:
    case kLdx | kImm:
    case kLdx | kByte | kMsh:
      return true;
    case kLd | kMem:
    case kLdx | kMem:
      return i.k < kWords;
    default:
      return false;
  }
}

bool ValidAlu(const BpfInstruction& i) {
  if ((i.code & ~uint16_t{0xf0 | kX}) != kAlu) return false;
  const bool constant = (i.code & kX) == 0;
  switch (OperationOf(i.code)) {
    case kDiv:
    case kMod:
      return !constant || i.k != 0;
    case kNeg:
      return constant;
    default:
      return OperationOf(i.code) <= kXor;
  }
}

// `after`: instructions behind this one, of which a jump skips fewer than all.
bool ValidJump(const BpfInstruction& i, uint32_t after) {
  if (i.code == (kJmp | kJa)) return i.k < after;
  if ((i.code & ~uint16_t{0xf0 | kX}) != kJmp) return false;
  return OperationOf(i.code) >= kJeq && OperationOf(i.code) <= kJset && i.jt < after && i.jf < after;
}

bool Valid(const BpfInstruction& i, uint32_t after) {
  switch (ClassOf(i.code)) {
    case kLd:
    case kLdx:
      return ValidLoad(i);
    case kSt:
    case kStx:
      return i.code <= kStx && i.k < kWords;
    case kAlu:
      return ValidAlu(i);
    case kJmp:
      return ValidJump(i, after);
    case kRet:
      return i.code == kRet || i.code == (kRet | kRetA);
    case kMisc:
      return i.code == kMisc || i.code == (kMisc | kTxa);
  }
  return false;
}

uint32_t SizeOf(uint16_t code) { return (code & 0x18) == kWord ? 4 : (code & 0x18) == kHalf ? 2 : 1; }

// False if the bytes are not all there.
bool Load(const uint8_t* packet, uint32_t present, uint64_t at, uint32_t size, uint32_t* value) {
  if (at + size > present) return false;
  *value = 0;
  for (uint32_t i = 0; i < size; i++) *value = *value << 8 | packet[at + i];
  return true;
}

// False for a division by zero.
bool Compute(uint16_t operation, uint32_t operand, uint32_t* a) {
  switch (operation) {
    case kAdd:
      *a += operand;
      return true;
    case kSub:
      *a -= operand;
      return true;
    case kMul:
      *a *= operand;
      return true;
    case kDiv:
      if (operand != 0) *a /= operand;
      return operand != 0;
    case kMod:
      if (operand != 0) *a %= operand;
      return operand != 0;
    case kOr:
      *a |= operand;
      return true;
    case kAnd:
      *a &= operand;
      return true;
    case kXor:
      *a ^= operand;
      return true;
    case kLsh:
      *a = operand < 32 ? *a << operand : 0;
      return true;
    case kRsh:
      *a = operand < 32 ? *a >> operand : 0;
      return true;
    default:
      *a = 0u - *a;
      return true;
  }
}

bool Holds(uint16_t test, uint32_t a, uint32_t operand) {
  switch (test) {
    case kJeq:
      return a == operand;
    case kJgt:
      return a > operand;
    case kJge:
      return a >= operand;
    default:
      return (a & operand) != 0;
  }
}

struct Machine {
  const uint8_t* packet;
  uint32_t present;
  uint32_t length;
  uint32_t a = 0;
  uint32_t x = 0;
  uint32_t words[kWords] = {};

  // LD and LDX; false if the packet ends before.
  bool Take(const BpfInstruction& i) {
    uint32_t value = i.k;
    switch (i.code & 0xe0) {
      case kAbs:
        if (!Load(packet, present, i.k, SizeOf(i.code), &value)) return false;
        break;
      case kInd:
        if (!Load(packet, present, uint64_t{x} + i.k, SizeOf(i.code), &value)) return false;
        break;
      case kMsh:
        if (!Load(packet, present, i.k, 1, &value)) return false;
        value = (value & 15) * 4;
        break;
      case kMem:
        value = words[i.k];
        break;
      case kLen:
        value = length;
        break;
      default:
        break;
    }
    (ClassOf(i.code) == kLd ? a : x) = value;
    return true;
  }
};

}  // namespace

bool CaptureFilter::Set(std::span<const BpfInstruction> program) {
  const size_t count = program.size();
  if (count > kMaxInstructions) return false;
  for (size_t i = 0; i < count; i++)
    if (!Valid(program[i], static_cast<uint32_t>(count - 1 - i))) return false;
  if (count > 0 && ClassOf(program.back().code) != kRet) return false;
  program_.assign(program.begin(), program.end());
  return true;
}

uint32_t CaptureFilter::Run(const uint8_t* packet, uint32_t present, uint32_t length) const {
  if (program_.empty()) return kAll;
  Machine m{packet, present, length};
  for (const BpfInstruction* i = program_.data();; i++) {
    const uint32_t operand = (i->code & kX) != 0 ? m.x : i->k;
    switch (ClassOf(i->code)) {
      case kLd:
      case kLdx:
        if (!m.Take(*i)) return 0;
        break;
      case kSt:
        m.words[i->k] = m.a;
        break;
      case kStx:
        m.words[i->k] = m.x;
        break;
      case kAlu:
        if (!Compute(OperationOf(i->code), operand, &m.a)) return 0;
        break;
      case kJmp:
        if (OperationOf(i->code) == kJa)
          i += i->k;
        else
          i += Holds(OperationOf(i->code), m.a, operand) ? i->jt : i->jf;
        break;
      case kRet:
        return (i->code & kRetA) != 0 ? m.a : i->k;
      case kMisc:
        if ((i->code & kTxa) != 0)
          m.a = m.x;
        else
          m.x = m.a;
        break;
    }
  }
}

}  // namespace vpci
