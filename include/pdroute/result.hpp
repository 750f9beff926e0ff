// SPDX-License-Identifier: Apache-2.0
// A value, or the reason why there is none. (std::expected is C++23; this is the part of it that a router needs.)
#pragma once

#include <cassert>
#include <concepts>
#include <cstdlib>
#include <memory>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// Holds a `T`, or an `E` that says why not. Move-only. Never allocates, never throws.
/// `*` and `->` are for after a test (asserted); `value()` is for where an error means a bug: it ends the program.
template <class T, class E>
  requires(!std::same_as<T, E>)
class [[nodiscard]] Result {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_constructible_v<E>,
                "pdroute: a Result holds types whose move constructors are noexcept, so that moving it never throws");

 public:
  using value_type = T;
  using error_type = E;

  Result(T value) noexcept : has_value_(true) { std::construct_at(&value_, std::move(value)); }
  Result(E error) noexcept : has_value_(false) { std::construct_at(&error_, std::move(error)); }

  Result(Result&& other) noexcept : has_value_(other.has_value_) { take(other); }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      destroy();
      has_value_ = other.has_value_;
      take(other);
    }
    return *this;
  }
  ~Result() { destroy(); }

  [[nodiscard]] bool has_value() const noexcept { return has_value_; }
  explicit operator bool() const noexcept { return has_value_; }

  [[nodiscard]] T& operator*() & noexcept {
    assert(has_value_ && "dereference a Result only after testing that it holds a value");
    return value_;
  }
  [[nodiscard]] const T& operator*() const& noexcept {
    assert(has_value_ && "dereference a Result only after testing that it holds a value");
    return value_;
  }
  [[nodiscard]] T operator*() && noexcept { return std::move(**this); }  // by value: no reference into a temporary
  [[nodiscard]] T* operator->() noexcept { return std::addressof(**this); }
  [[nodiscard]] const T* operator->() const noexcept { return std::addressof(**this); }

  /// The value; ends the program by std::abort if there is none, in every build.
  [[nodiscard]] T& value() & noexcept {
    if (!has_value_) std::abort();
    return value_;
  }
  [[nodiscard]] const T& value() const& noexcept {
    if (!has_value_) std::abort();
    return value_;
  }
  [[nodiscard]] T value() && noexcept { return std::move(value()); }

  [[nodiscard]] E& error() & noexcept {
    assert(!has_value_ && "ask a Result for its error only after testing that it holds no value");
    return error_;
  }
  [[nodiscard]] const E& error() const& noexcept {
    assert(!has_value_ && "ask a Result for its error only after testing that it holds no value");
    return error_;
  }
  [[nodiscard]] E error() && noexcept { return std::move(error()); }

 private:
  void take(Result& other) noexcept {
    if (has_value_) {
      std::construct_at(&value_, std::move(other.value_));
    } else {
      std::construct_at(&error_, std::move(other.error_));
    }
  }
  void destroy() noexcept {
    if (has_value_) {
      std::destroy_at(&value_);
    } else {
      std::destroy_at(&error_);
    }
  }

  union {
    T value_;
    E error_;
  };
  bool has_value_;
};

}  // namespace v0
}  // namespace pdroute
