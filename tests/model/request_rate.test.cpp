// SPDX-License-Identifier: Apache-2.0
// The arrival rate under every interleaving of three threads: recorded, undone and read while buckets begin.
#include "scheduled_atomic.hpp"

#include <pdroute/load/request_rate.hpp>

namespace {

using model::check;
using pdroute::RequestRate;

/// A rate whose buckets are a second wide, with short names for what the scenarios do.
class Rate {
 public:
  RequestRate::Receipt record(std::int64_t bucket) {
    return rate_.record(std::chrono::steady_clock::time_point{std::chrono::seconds{bucket}});
  }
  void record(std::int64_t bucket, int count) {
    for (int i = 0; i < count; ++i) record(bucket);
  }
  void undo(RequestRate::Receipt receipt) { rate_.undo(receipt); }
  /// The arrivals in the window that ends in the bucket.
  [[nodiscard]] std::int64_t read(std::int64_t bucket) const { return rate_.arrivals(bucket); }

 private:
  RequestRate rate_{std::chrono::minutes{1}};
};

/// Checks a reading against what may be read.
void check_between(std::int64_t low, std::int64_t read, std::int64_t high) {
  check(read < 1000, "a count wraps");
  check(low <= read, "an arrival is lost");
  check(read <= high, "an arrival counts twice, or after it has left the window");
}

/// A thread begins a bucket, and another reads its window.
class ReadWhileABucketBegins {
 public:
  ReadWhileABucketBegins() {
    rate_.record(41, 5);
    rate_.record(101, 1);
  }
  void first() { rate_.record(102, 1); }
  void second() { check_between(1, rate_.read(102), 2); }
  void third() { check_between(1, rate_.read(102), 2); }
  void finish() { check_between(2, rate_.read(102), 2); }

 private:
  Rate rate_;
};

/// Two threads want to begin the same bucket.
class TwoBeginABucket {
 public:
  TwoBeginABucket() {
    rate_.record(41, 5);
    rate_.record(101, 1);
  }
  void first() { rate_.record(102, 1); }
  void second() { rate_.record(102, 1); }
  void third() {}
  void finish() {
    check_between(3, rate_.read(102), 3);
    check_between(1, rate_.read(162), 2);  // one of the two may count in the bucket before
    check_between(0, rate_.read(163), 0);
  }

 private:
  Rate rate_;
};

/// Two threads begin different buckets at once. As long as the later one lasts, its window may read what that of the
/// earlier one holds.
class TwoBeginDifferentBuckets {
 public:
  TwoBeginDifferentBuckets() {
    rate_.record(41, 5);
    rate_.record(100, 1);
  }
  void first() { rate_.record(101, 1); }
  void second() { rate_.record(102, 1); }
  void third() {}
  void finish() {
    check_between(3, rate_.read(102), 3 + 5);
    check_between(3, rate_.read(103), 3);
    check_between(3, rate_.read(160), 3);
    check_between(0, rate_.read(162), 2);  // the slow arrival may count in either
    check_between(0, rate_.read(163), 0);
  }

 private:
  Rate rate_;
};

/// An arrival is undone while another thread begins a bucket, and a third reads. A window that begins with that bucket
/// reads one too many or one too few at most.
class UndoneWhileABucketBegins {
 public:
  UndoneWhileABucketBegins() : receipt_(rate_.record(100)) {}
  void first() { rate_.undo(receipt_); }
  void second() { rate_.record(101); }
  void third() {
    check_between(0, rate_.read(101), 2);
    check_between(0, rate_.read(160), 2);
  }
  void finish() {
    check_between(1, rate_.read(101), 1);
    check_between(1, rate_.read(160), 1);
    check_between(0, rate_.read(161), 2);
    check_between(0, rate_.read(162), 0);
  }

 private:
  Rate rate_;
  RequestRate::Receipt receipt_;
};

/// An arrival is recorded while another thread begins a bucket, and then undone.
class RecordedAndUndoneWhileABucketBegins {
 public:
  RecordedAndUndoneWhileABucketBegins() { rate_.record(100); }
  void first() { rate_.undo(rate_.record(100)); }
  void second() { rate_.record(101); }
  void third() { check_between(1, rate_.read(101), 3); }
  void finish() {
    check_between(2, rate_.read(101), 2);
    check_between(0, rate_.read(161), 2);
    check_between(0, rate_.read(162), 0);
  }

 private:
  Rate rate_;
};

/// A thread reads windows that begin after an arrival, while that arrival is undone: it may read one too many, and
/// never fewer than none.
class ReadWhileUndone {
 public:
  ReadWhileUndone() : receipt_(rate_.record(100)) {
    for (std::int64_t bucket = 101; bucket <= 103; ++bucket) rate_.undo(rate_.record(bucket));
  }
  void first() { rate_.undo(receipt_); }
  void second() {}
  void third() {
    check_between(0, rate_.read(162), 1);
    check_between(0, rate_.read(160), 1);
  }
  void finish() {
    for (std::int64_t bucket = 103; bucket <= 163; ++bucket) check_between(0, rate_.read(bucket), 0);
  }

 private:
  Rate rate_;
  RequestRate::Receipt receipt_;
};

/// An arrival that has left the window is undone, which changes the same marks that another thread writes in order to
/// begin a bucket.
class UndoneAfterTheWindow {
 public:
  UndoneAfterTheWindow() : receipt_(rate_.record(100)) {
    rate_.record(101, 5);
    for (std::int64_t bucket = 102; bucket < 161; bucket += 10) rate_.undo(rate_.record(bucket));
    rate_.record(161, 1);
  }
  void first() { rate_.undo(receipt_); }
  void second() { rate_.record(162); }
  void third() {}
  void finish() {
    check_between(1, rate_.read(162), 3);
    check_between(0, rate_.read(222), 2);
    check_between(0, rate_.read(223), 0);
  }

 private:
  Rate rate_;
  RequestRate::Receipt receipt_;
};

}  // namespace

int main() {
  model::explore<ReadWhileABucketBegins>("a window is read while its bucket begins", 20);
  model::explore<TwoBeginABucket>("two begin a bucket", 100);
  model::explore<TwoBeginDifferentBuckets>("one begins a bucket while another begins the next one", 100);
  model::explore<UndoneWhileABucketBegins>("an arrival is undone while a bucket begins", 100);
  model::explore<RecordedAndUndoneWhileABucketBegins>("an arrival is recorded and undone while a bucket begins", 100);
  model::explore<ReadWhileUndone>("a window is read while an arrival is undone", 10);
  model::explore<UndoneAfterTheWindow>("an arrival is undone after it has left the window", 40);
}
