// SPDX-License-Identifier: Apache-2.0
// PredicateRef: a caller's predicate, referred to for the time of a call.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// A reference to any function object (a lambda, not a function pointer) that takes `const Args&...` and returns yes or
/// no. It does not own the object: one made from a lambda in the argument list of a call lasts as long as that call. An
/// empty one stands for no condition; test it before calling.
template <class... Args>
class PredicateRef {
 public:
  constexpr PredicateRef() = default;  ///< empty
  /// Refers to the function object, which must outlive this.
  template <class Callable>
    requires(!std::same_as<std::remove_cvref_t<Callable>, PredicateRef> &&
             std::is_class_v<std::remove_cvref_t<Callable>> && std::predicate<Callable&, const Args&...>)
  constexpr PredicateRef(Callable&& callable) noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, const Args&... args) -> bool {
          return (*static_cast<std::remove_reference_t<Callable>*>(object))(args...);
        }) {}

  /// Whether it refers to a function object; false if it is empty.
  [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }
  /// Calls it. Precondition: not empty.
  [[nodiscard]] bool operator()(const Args&... args) const { return call_(object_, args...); }

 private:
  void* object_ = nullptr;
  bool (*call_)(void*, const Args&...) = nullptr;
};

}  // namespace v0
}  // namespace pdroute
