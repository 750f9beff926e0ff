// SPDX-License-Identifier: Apache-2.0
// Result: a value, or the error that explains why there is none. A small part of C++23's std::expected.
#pragma once

#include <cassert>
#include <concepts>
#include <cstdlib>
#include <memory>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// Holds a value of type `T`, or an error of type `E` that says why there is no value. Move-only. Never allocates,
/// never throws.
///
/// Test first, then use `*` and `->`; an assertion checks that. Use `value()` where an error would be a bug: it aborts
/// the program then.
/// Thread safety: thread-compatible, like a built-in type.
template <class T, class E>
  requires(!std::same_as<T, E>)
class [[nodiscard]] Result {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_constructible_v<E>,
                "pdroute: the types in a Result must have noexcept move constructors, so that moving it never throws");

 public:
  using value_type = T;  ///< the type of the value
  using error_type = E;  ///< the type of the error

  /// Holds `value`.
  Result(T value) noexcept : has_value_(true) { std::construct_at(&value_, std::move(value)); }
  /// Holds `error`, and no value.
  Result(E error) noexcept : has_value_(false) { std::construct_at(&error_, std::move(error)); }

  /// Takes what `other` holds. `other` still has a value or an error afterwards, but a moved-from one.
  Result(Result&& other) noexcept : has_value_(other.has_value_) { take(other); }
  /// Replaces what this holds by what `other` holds, see the move constructor.
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      destroy();
      has_value_ = other.has_value_;
      take(other);
    }
    return *this;
  }
  /// Destroys the value or the error.
  ~Result() { destroy(); }

  /// Whether this holds a value.
  [[nodiscard]] bool has_value() const noexcept { return has_value_; }
  /// Whether this holds a value.
  explicit operator bool() const noexcept { return has_value_; }

  /// The value. Precondition: `has_value()`.
  [[nodiscard]] T& operator*() & noexcept {
    assert(has_value_ && "dereference a Result only after testing that it holds a value");
    return value_;
  }
  /// The value. Precondition: `has_value()`.
  [[nodiscard]] const T& operator*() const& noexcept {
    assert(has_value_ && "dereference a Result only after testing that it holds a value");
    return value_;
  }
  /// The value, moved out and returned by value, so that no reference to a temporary remains. Precondition:
  /// `has_value()`.
  [[nodiscard]] T operator*() && noexcept { return std::move(**this); }
  /// Access to a member of the value. Precondition: `has_value()`.
  [[nodiscard]] T* operator->() noexcept { return std::addressof(**this); }
  /// Access to a member of the value. Precondition: `has_value()`.
  [[nodiscard]] const T* operator->() const noexcept { return std::addressof(**this); }

  /// The value. If there is none, calls std::abort, in every build.
  [[nodiscard]] T& value() & noexcept {
    if (!has_value_) std::abort();
    return value_;
  }
  /// The value. If there is none, calls std::abort, in every build.
  [[nodiscard]] const T& value() const& noexcept {
    if (!has_value_) std::abort();
    return value_;
  }
  /// The value, moved out and returned by value. If there is none, calls std::abort, in every build.
  [[nodiscard]] T value() && noexcept { return std::move(value()); }

  /// The error. Precondition: `!has_value()`.
  [[nodiscard]] E& error() & noexcept {
    assert(!has_value_ && "ask a Result for its error only after testing that it holds no value");
    return error_;
  }
  /// The error. Precondition: `!has_value()`.
  [[nodiscard]] const E& error() const& noexcept {
    assert(!has_value_ && "ask a Result for its error only after testing that it holds no value");
    return error_;
  }
  /// The error, moved out and returned by value. Precondition: `!has_value()`.
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
