// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <sstream>
#include <utility>

#include "policies_by_name.hpp"

namespace gateway {

namespace {

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct Unit {
  std::string_view name;
  std::uint64_t worth;
};

/// Reads a whole number with one of the units, such as 500ms.
template <std::size_t n>
std::optional<std::uint64_t> amount(std::string_view text, const std::array<Unit, n>& units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = whole_number(text.substr(0, digits));
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& candidate) { return candidate.name == text.substr(digits); });
  constexpr std::uint64_t max = std::numeric_limits<std::uint32_t>::max();
  if (!number || unit == units.end() || *number > max / unit->worth) return std::nullopt;
  return *number * unit->worth;
}

constexpr std::array<Unit, 3> durations{{{"ms", 1}, {"s", 1000}, {"min", 60'000}}};
constexpr std::array<Unit, 4> sizes{{{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}}};

class Reader {
 public:
  pdroute::Result<Config, ConfigMistake> read(std::string_view text) {
    std::istringstream lines{std::string(text)};
    for (std::string line; !mistake_ && std::getline(lines, line);) {
      ++line_;
      words_ = {};
      std::istringstream words{line.substr(0, line.find('#'))};
      for (std::string word; words >> word;) words_.push_back(word);
      if (!words_.empty()) statement();
    }
    ++line_;
    for (const pdroute::Role role : {pdroute::Role::prefill, pdroute::Role::decode}) {
      if (config_.engines(role).empty()) wrong("each role needs an endpoint", to_string(role));
    }
    if (mistake_) return std::move(*mistake_);
    return std::move(config_);
  }

 private:
  void statement() {
    const std::string& keyword = words_[0];
    if (keyword == "listen" && is("listen ADDRESS:PORT", 2)) {
      config_.listen = address(words_[1]);
    } else if (keyword == "threads" && is("threads NUMBER", 2)) {
      config_.threads = number(words_[1], 1, 256);
    } else if (keyword == "model" && is("model NAME", 2)) {
      config_.model = words_[1];
    } else if (keyword == "policy" && is("policy prefill|decode NAME", 3)) {
      if (examples::policy_named(words_[2]) == nullptr)
        return wrong(fmt::format("a policy is one of {}", fmt::join(examples::policy_names(), ", ")), words_[2]);
      (role(words_[1]) == pdroute::Role::prefill ? config_.prefill_policy : config_.decode_policy) = words_[2];
    } else if (keyword == "endpoint" && is("endpoint prefill|decode ID ADDRESS:PORT [LIMIT=NUMBER]...", 4, 7)) {
      endpoint();
    } else if (keyword == "timeout" && is("timeout WHAT DURATION", 3)) {
      timeout(words_[1]) = duration(words_[2]);
    } else if (keyword == "drain" && is("drain DURATION", 2)) {
      config_.drain = duration(words_[1]);
    } else if (keyword == "body-limit" && is("body-limit SIZE", 2)) {
      const auto size = amount(words_[1], sizes);
      if (!size || *size == 0) return wrong("a size is a number of B, KiB or MiB, such as 4MiB", words_[1]);
      config_.body_limit = *size;
    } else if (keyword == "retries" && is("retries NUMBER", 2)) {
      config_.retries = number(words_[1], 0, 8);
    } else if (keyword == "health-check" && is("health-check every DURATION after NUMBER failures", 6)) {
      if (words_[1] != "every" || words_[3] != "after" || words_[5] != "failures")
        return wrong("this statement is `health-check every DURATION after NUMBER failures`", words_[1]);
      config_.health_check = {.every = duration(words_[2]), .after = number(words_[4], 1, 1000)};
    } else if (!mistake_) {
      wrong("there is no such statement", keyword);
    }
  }

  void endpoint() {
    Config::Endpoint added{.engine = {}, .role = role(words_[1]), .line = line_};
    Engine& engine = added.engine;
    engine.id = words_[2];
    engine.address = address(words_[3]);
    if (engine.address.port() == 0) wrong("an endpoint's port is from 1 to 65535", words_[3]);
    engine.host = words_[3];
    for (std::size_t i = 4; i < words_.size(); ++i) {
      const std::string_view word = words_[i];
      const std::size_t sign = std::min(word.find('='), word.size());
      const std::string_view name = word.substr(0, sign);
      const auto value = sign < word.size() ? whole_number(word.substr(sign + 1)) : std::nullopt;
      if (!value) return wrong("a limit is requests=NUMBER, tokens=NUMBER or kv_tokens=NUMBER", word);
      if (name == "requests") {
        // A number that does not fit is also too large for the router, which refuses it.
        engine.capacity.requests = static_cast<std::uint32_t>(std::min<std::uint64_t>(*value, 0xffffffffU));
      } else if (name == "tokens") {
        engine.capacity.tokens = *value;
      } else if (name == "kv_tokens") {
        engine.capacity.kv_tokens = *value;
      } else {
        return wrong("a limit is of requests, tokens or kv_tokens", word);
      }
    }
    for (const Config::Endpoint& other : config_.endpoints) {
      if (other.engine.id == engine.id && other.engine.address != engine.address)
        return wrong("an id has the same address in both roles", words_[3]);
    }
    engine.number = number_of(engine);
    config_.endpoints.push_back(std::move(added));
  }
  [[nodiscard]] std::size_t number_of(const Engine& engine) const {
    std::size_t next = 0;
    for (const Config::Endpoint& other : config_.endpoints) {
      if (other.engine.address == engine.address) return other.engine.number;
      next = std::max(next, other.engine.number + 1);
    }
    return next;
  }

  [[nodiscard]] bool is(std::string_view form, std::size_t least, std::size_t max = 0) {
    if (words_.size() >= least && words_.size() <= std::max(least, max)) return true;
    wrong(fmt::format("this statement is `{}`", form), fmt::format("{}", fmt::join(words_, " ")));
    return false;
  }
  pdroute::Role role(std::string_view text) {
    if (text != "prefill" && text != "decode") wrong("a role is prefill or decode", text);
    return text == "decode" ? pdroute::Role::decode : pdroute::Role::prefill;
  }
  unsigned number(std::string_view text, unsigned least, unsigned max) {
    const auto value = whole_number(text);
    if (value && *value >= least && *value <= max) return static_cast<unsigned>(*value);
    wrong(fmt::format("this is a number from {} to {}", least, max), text);
    return least;
  }
  Config::Duration duration(std::string_view text) {
    const auto value = amount(text, durations);
    if (!value || *value == 0) wrong("a duration is a number of ms, s or min, such as 500ms", text);
    return Config::Duration{value.value_or(1)};
  }
  boost::asio::ip::tcp::endpoint address(std::string_view text) {
    const auto found = read_address(text);
    if (!found) wrong("an address is IP:PORT, such as 127.0.0.1:8000 or [::1]:8000", text);
    return found.value_or(boost::asio::ip::tcp::endpoint{});
  }
  Config::Duration& timeout(std::string_view what) {
    Config::Timeouts& all = config_.timeouts;
    if (what == "connect") return all.connect;
    if (what == "first-byte") return all.first_byte;
    if (what == "answer") return all.answer;
    if (what == "idle") return all.idle;
    if (what == "request") return all.request;
    wrong("a timeout is one of connect, first-byte, answer, idle, request", what);
    return all.connect;
  }

  /// Notes a mistake. Only the first one is kept.
  void wrong(std::string_view rule, std::string_view value) {
    if (!mistake_) mistake_ = ConfigMistake{line_, std::string(rule), std::string(value)};
  }

  Config config_;
  std::size_t line_ = 0;
  std::vector<std::string> words_;
  std::optional<ConfigMistake> mistake_;
};

}  // namespace

std::optional<boost::asio::ip::tcp::endpoint> read_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  const auto port = whole_number(text.substr(colon + 1));
  if (error || !port || *port > 65535) return std::nullopt;
  return boost::asio::ip::tcp::endpoint{address, static_cast<std::uint16_t>(*port)};
}

pdroute::Result<Config, ConfigMistake> read_config(std::string_view text) {
  return Reader{}.read(text);
}

std::vector<Engine> Config::engines(pdroute::Role role) const {
  std::vector<Engine> list;
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.role == role) list.push_back(endpoint.engine);
  }
  return list;
}

std::size_t Config::line_of(pdroute::Role role, std::size_t index) const {
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.role == role && index-- == 0) return endpoint.line;
  }
  return 0;
}

std::vector<Engine> Config::different_engines() const {
  std::vector<Engine> list;
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.engine.number == list.size()) list.push_back(endpoint.engine);
  }
  return list;
}

}  // namespace gateway
