// SPDX-License-Identifier: Apache-2.0
// Replaces the global operators new and delete. The array and nothrow forms need no replacement, since they call these
// by default. Clang's ThreadSanitizer links its own operators, which cannot be replaced; there a hook counts instead.
#include "allocations.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t allocations = 0;

}  // namespace

std::uint64_t bench::allocations_of_this_thread() noexcept {
  return allocations;
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PDROUTE_MALLOC_HOOK
#endif
#endif

#ifdef PDROUTE_MALLOC_HOOK

extern "C" void __sanitizer_malloc_hook(const volatile void* /*memory*/, std::size_t /*size*/) {
  ++allocations;
}

#else

namespace {

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  // aligned_alloc needs a multiple of the alignment. A size of zero gets one such multiple, too.
  const std::size_t whole = (std::max(size, alignment) + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, whole);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}

#endif
