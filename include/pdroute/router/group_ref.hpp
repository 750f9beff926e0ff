// SPDX-License-Identifier: Apache-2.0
// GroupRef: a caller's function that tells the group of an endpoint, referred to for the time of a call.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// A reference to a function object (a lambda, not a function pointer) that takes `const Endpoint&` and returns a
/// group: an integer or an enumerator, such as a `Key` for a group that has a name (`pdroute::key(endpoint.zone)`). It
/// does not own the object: one made from a lambda in the argument list of a call lasts as long as that call. An empty
/// one stands for no groups; test it before calling.
template <class Endpoint>
class GroupRef {
 public:
  constexpr GroupRef() = default;  ///< empty
  /// Refers to the function object, which must outlive this.
  template <class Callable>
    requires(!std::same_as<std::remove_cvref_t<Callable>, GroupRef> && std::is_class_v<std::remove_cvref_t<Callable>> &&
             requires(Callable& callable, const Endpoint& endpoint) {
               requires std::integral<std::remove_cvref_t<decltype(callable(endpoint))>> ||
                            std::is_enum_v<std::remove_cvref_t<decltype(callable(endpoint))>>;
             })
  constexpr GroupRef(Callable&& callable) noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, const Endpoint& endpoint) {
          return static_cast<std::uint64_t>((*static_cast<std::remove_reference_t<Callable>*>(object))(endpoint));
        }) {}

  /// Whether it refers to a function object; false if it is empty.
  [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }
  /// The group, as a number. Precondition: not empty.
  [[nodiscard]] std::uint64_t operator()(const Endpoint& endpoint) const { return call_(object_, endpoint); }

 private:
  void* object_ = nullptr;
  std::uint64_t (*call_)(void*, const Endpoint&) = nullptr;
};

}  // namespace v0
}  // namespace pdroute
