// SPDX-License-Identifier: Apache-2.0
// The entry point that libFuzzer and `replay_file.cpp` call: runs one input and aborts at the first violation.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/bytes.hpp"
#include "fuzz/world.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::World world{fuzz::Bytes{{data, size}}};
  while (world.step()) {
  }
  world.finish();
  if (!world.violation().empty()) {
    std::fprintf(stderr, "violation: %s\n", world.violation().c_str());
    std::abort();
  }
  return 0;
}
