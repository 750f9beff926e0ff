// SPDX-License-Identifier: Apache-2.0
#include "scheduler.hpp"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "search.hpp"

namespace model {
namespace {

constexpr std::size_t max_steps = 200;
constexpr unsigned all_threads = (1U << threads) - 1;
thread_local std::size_t self = setup;

/// Lets one thread run at a time: the thread that has the turn. Only that thread touches `Execution` and `Model`.
class Turns {
 public:
  void give(std::size_t to) {
    const std::lock_guard lock{mutex_};
    turn_ = to;
    changed_[to].notify_one();
  }
  void wait() {
    std::unique_lock lock{mutex_};
    changed_[self].wait(lock, [&] { return turn_ == self; });
  }

 private:
  std::mutex mutex_;
  std::array<std::condition_variable, threads + 1> changed_;
  std::size_t turn_ = setup;
};

struct Next {  // what a thread will do in its next step
  std::size_t object = 0;
  bool writes = false;
};
struct Step {
  std::size_t thread;
  const char* what;
  std::size_t object;
  std::uint64_t value;
};

/// One execution and all objects in it. An object that is destroyed keeps its number.
struct Execution {
  std::array<Viewer, threads + 1> viewers;
  std::unordered_map<const void*, std::size_t> atomics;
  std::deque<AtomicObject> atomic_objects;
  std::vector<bool> gone;
  std::unordered_map<const void*, PlainObject> watched;
  std::array<Next, threads> next{};
  unsigned runnable = all_threads;
  bool starting = true;
  bool looking = false;  // `after_each_step` runs: its accesses are not steps
  std::vector<Step> steps;
  std::array<std::size_t, threads + 1> last_change{};

  Execution() {
    for (std::size_t i = 0; i < viewers.size(); ++i) viewers[i].thread = i;
  }
};

struct Model {
  Turns turns;
  std::string scenario;
  std::optional<Search> search;
  std::optional<Execution> now;
  Bodies bodies;
  std::function<void()> after_each_step;
  bool over = false;
  std::array<std::thread, threads> workers;

  Model() {
    for (std::size_t i = 0; i < threads; ++i) workers[i] = std::thread([this, i] { work(i); });
  }
  ~Model() {
    over = true;
    for (std::size_t i = 0; i < threads; ++i) {
      turns.give(i);
      workers[i].join();
    }
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  void work(std::size_t thread) {
    self = thread;
    for (;;) {
      turns.wait();
      if (over) return;
      bodies[thread]();
      now->runnable &= ~(1U << thread);
      turns.give(next_turn());
    }
  }

  std::size_t next_turn() {
    if (now->starting) return setup;
    const std::size_t thread = search->choose_thread(now->runnable, [this](std::size_t a, std::size_t b) {
      return now->next[a].object == now->next[b].object && (now->next[a].writes || now->next[b].writes);
    });
    return thread == Search::none ? setup : thread;
  }
};

Model& the_model() {
  static Model model;
  return model;
}
Execution& now() {
  return *the_model().now;
}
Viewer& viewer() {
  return now().viewers[self];
}

std::size_t number_of(const void* object) {
  const auto found = now().atomics.find(object);
  check(found != now().atomics.end(), "used after its destruction");
  return found->second;
}
/// Whether an access is no step: in the setup, or in `after_each_step`.
bool free_access() {
  return self == setup || now().looking;
}

/// Waits until this thread has the turn to do a step on the object.
AtomicObject& arrive(const void* address, bool writes) {
  const std::size_t object = number_of(address);
  if (!free_access()) {
    now().next[self] = {object, writes};
    const std::size_t turn = the_model().next_turn();
    if (turn != self) {
      the_model().turns.give(turn);
      the_model().turns.wait();
    }
    check(!now().gone[object], "used after its destruction");
  }
  return now().atomic_objects[object];
}

void step_done(const char* what, const void* address, std::uint64_t value) {
  if (free_access()) return;
  Execution& execution = now();
  execution.steps.push_back({self, what, number_of(address), value});
  const std::string_view kind = what;
  if (kind.find("load") == kind.npos && kind.find("fail") == kind.npos)
    execution.last_change[self] = execution.steps.size();
  check(execution.steps.size() < max_steps, "an execution has no end");
  if (!the_model().after_each_step) return;
  execution.looking = true;
  the_model().after_each_step();
  execution.looking = false;
}

std::size_t choose_value(std::size_t options) {
  return free_access() ? 0 : the_model().search->choose_value(options);
}

}  // namespace

void fail(std::string_view rule) {
  Model& model = the_model();
  std::printf("MODEL: %.*s\n  in: %s\n", static_cast<int>(rule.size()), rule.data(), model.scenario.c_str());
  if (model.now) {
    for (const Step& step : model.now->steps) {
      std::printf("  thread %zu: %s atomic %zu: %#llx\n", step.thread + 1, step.what, step.object,
                  static_cast<unsigned long long>(step.value));
    }
    if (self != setup) std::printf("  then thread %zu\n", self + 1);
  }
  std::fflush(stdout);
  std::_Exit(EXIT_FAILURE);  // no destructors: the other threads are still inside a step
}

std::size_t last_change() {
  return now().last_change[self];
}

void atomic_begins(const void* object, std::uint64_t value) {
  Execution& execution = now();
  execution.atomics[object] = execution.atomic_objects.size();
  execution.atomic_objects.emplace_back(value, viewer());
  execution.gone.push_back(false);
}
void atomic_ends(const void* object) {
  const auto found = now().atomics.find(object);
  check(found != now().atomics.end(), "destroyed twice");
  check(now().atomic_objects[found->second].quiet(viewer().clock), "data race between use and destruction");
  now().gone[found->second] = true;
  now().atomics.erase(found);
}

std::uint64_t atomic_load(const void* object, std::memory_order order) {
  AtomicObject& atomic = arrive(object, false);
  if (now().looking) return atomic.latest();
  const std::size_t age = choose_value(atomic.size() - atomic.oldest(viewer().clock));
  const std::uint64_t value = atomic.load(atomic.size() - 1 - age, order, viewer());
  step_done(age == 0 ? "loads" : "loads an old value of", object, value);
  return value;
}

void atomic_store(const void* object, std::uint64_t value, std::memory_order order) {
  arrive(object, true).store(value, order, viewer());
  step_done("stores", object, value);
}

std::uint64_t atomic_update(const void* object, const Change& change, std::memory_order order) {
  AtomicObject& atomic = arrive(object, true);
  const std::uint64_t before = atomic.latest();
  const std::uint64_t after = change(before);
  atomic.update(after, order, viewer());
  step_done("updates", object, after);
  return before;
}

bool atomic_compare_exchange(const void* object, std::uint64_t& expected, std::uint64_t desired,
                             std::memory_order success, std::memory_order failure) {
  AtomicObject& atomic = arrive(object, true);
  if (atomic.latest() == expected) {
    atomic.update(desired, success, viewer());
    step_done("exchanges", object, desired);
    return true;
  }
  std::vector<std::size_t> different;  // newest first
  for (std::size_t i = atomic.size(); i-- > atomic.oldest(viewer().clock);) {
    if (atomic.value(i) != expected) different.push_back(i);
  }
  expected = atomic.load(different[choose_value(different.size())], failure, viewer());
  step_done("fails to exchange", object, expected);
  return false;
}

Watched::Watched() noexcept {
  now().watched.insert_or_assign(this, PlainObject(viewer()));
}
Watched::Watched(const Watched& other) noexcept : Watched() {
  other.read();
}
Watched::~Watched() {
  const auto found = now().watched.find(this);
  check(found != now().watched.end(), "destroyed twice");
  check(found->second.write(viewer()), "data race between use and destruction");
  now().watched.erase(found);
}
void Watched::read() const noexcept {
  const auto found = now().watched.find(this);
  check(found != now().watched.end(), "used after its destruction");
  check(found->second.read(viewer()), "data race");
}
void Watched::write() noexcept {
  const auto found = now().watched.find(this);
  check(found != now().watched.end(), "used after its destruction");
  check(found->second.write(viewer()), "data race");
}

Exploration::Exploration(std::string_view scenario) {
  the_model().scenario = scenario;
  the_model().search.emplace();
  the_model().now.emplace();
}

void Exploration::run(const Bodies& bodies, std::function<void()> after_each_step) {
  Model& model = the_model();
  model.bodies = bodies;
  model.after_each_step = std::move(after_each_step);
  for (std::size_t i = 0; i < threads; ++i) {  // runs each thread up to its first step
    join(model.now->viewers[i].clock, viewer().clock);
    model.turns.give(i);
    model.turns.wait();
  }
  model.now->starting = false;
  if (const std::size_t turn = model.next_turn(); turn != setup) {
    model.turns.give(turn);
    model.turns.wait();
  }
  for (std::size_t i = 0; i < threads; ++i) join(viewer().clock, model.now->viewers[i].clock);
}

bool Exploration::next() {
  check(now().atomics.empty() && now().watched.empty(), "never destroyed");
  const bool more = the_model().search->next();
  if (more) {
    the_model().now.emplace();
  } else {
    std::printf("%s: %llu interleavings\n", the_model().scenario.c_str(),
                static_cast<unsigned long long>(executions()));
  }
  return more;
}

std::uint64_t Exploration::executions() const {
  return the_model().search->executions();
}

}  // namespace model
