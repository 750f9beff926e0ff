// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/own_rotation.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::OwnRotation;
using pdroute::detail::place_after_change;

constexpr char endpoints[300] = {};

/// Candidates that are told apart by their addresses, like those of a pool.
struct List {
  std::vector<std::size_t> places;
  List(std::initializer_list<std::size_t> some) : places(some) {}
  List(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) places.push_back(i);
  }
  [[nodiscard]] std::size_t size() const { return places.size(); }
  [[nodiscard]] const char& operator[](std::size_t i) const { return endpoints[places[i]]; }
};

std::size_t take(OwnRotation& rotation, std::size_t n, std::size_t first = 0) {
  const std::size_t index = rotation.next(first, n);
  rotation.chose(index);
  return index;
}

}  // namespace

TEST_CASE("own rotation: after a change it goes on after the endpoint chosen last, wherever that stands") {
  const List before{0, 1, 2, 3};
  CHECK(place_after_change(before, List{0, 1, 2, 3, 4}, 2) == 2);
  CHECK(place_after_change(before, List{1, 2, 3}, 2) == 1);           // one before it has left
  CHECK(place_after_change(before, List{9, 8, 0, 1, 2, 3}, 2) == 4);  // some came before it
  CHECK(place_after_change(before, List{3, 1, 0, 2}, 2) == 2);        // the order is another one
  CHECK(place_after_change(before, List{0, 1, 2}, 3) == 0);           // its successor has left
  CHECK(place_after_change(before, List{0, 1, 2, 3, 4}, 0) == 4);     // the last was chosen, and a new one follows it
}

TEST_CASE("own rotation: the endpoint chosen last has left, and it goes on at the successor that is still there") {
  const List before{0, 1, 2, 3};
  CHECK(place_after_change(before, List{0, 2, 3}, 2) == 1);
  CHECK(place_after_change(before, List{0, 3}, 2) == 1);
  CHECK(place_after_change(before, List{0}, 2) == 0);
  CHECK(place_after_change(before, List{0, 1, 2}, 0) == 0);
  CHECK(place_after_change(before, List{7, 8, 9}, 2) == 2);  // nearly all have left: at the same index
  CHECK(place_after_change(List(0, 100), List(150, 300), 99) == 99);
}

TEST_CASE("own rotation: starts at its share of the way round, also if endpoints come before the first choice") {
  OwnRotation half{0x80000000U};
  half.candidates_changed(List{}, List{0, 1});
  half.candidates_changed(List{0, 1}, List(0, 8));
  const auto start = half.cursor();
  CHECK(take(half, 8) == 4);
  half.go_back(start);
  CHECK(take(half, 8) == 4);
  OwnRotation in_a_list_of_the_callers{0x80000000U};
  CHECK(take(in_a_list_of_the_callers, 8) == 4);
  CHECK(take(in_a_list_of_the_callers, 8) == 5);
}

TEST_CASE("own rotation: there is no endpoint for a while, and it goes on where it was") {
  OwnRotation rotation;
  rotation.candidates_changed(List{}, List{0, 1, 2});
  CHECK(take(rotation, 3) == 0);
  rotation.candidates_changed(List{0, 1, 2}, List{});
  rotation.candidates_changed(List{}, List{0, 1, 2});
  CHECK(take(rotation, 3) == 1);
}

TEST_CASE("own rotation: a choice is taken back, also the first one, but not over other candidates") {
  OwnRotation rotation;
  rotation.candidates_changed(List{}, List{0, 1, 2});
  const auto start = rotation.cursor();
  CHECK(take(rotation, 3, 3) == 0);
  rotation.go_back(start);
  std::vector<std::size_t> taken;
  for (int i = 0; i < 6; ++i) taken.push_back(take(rotation, 3, 3));
  CHECK(taken == std::vector<std::size_t>{0, 1, 2, 1, 2, 0});  // skips one after lcm(3, 3) choices
  const auto cursor = rotation.cursor();
  CHECK(take(rotation, 3, 3) == 2);
  rotation.candidates_changed(List{0, 1, 2}, List{1, 2});
  rotation.go_back(cursor);
  CHECK(take(rotation, 2, 3) == 0);  // after the endpoint 2, which was chosen last
}
