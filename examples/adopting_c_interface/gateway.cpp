// SPDX-License-Identifier: Apache-2.0
// The implementation of the C interface: keeps each lease under its id, and catches every exception.
#include "gateway.h"

#include <algorithm>
#include <exception>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using pdroute::FailureKind;
using pdroute::LeaseId;
using pdroute::Role;

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;

struct gateway {
  Router router;
};

namespace {

/// Writes the text to `error` and returns the status.
gateway_status told(gateway_error* error, gateway_status status, std::string_view text) noexcept {
  if (error == nullptr) return status;
  const std::size_t length = std::min(text.size(), sizeof error->text - 1);
  std::copy_n(text.data(), length, error->text);
  error->text[length] = '\0';
  return status;
}

// No exception leaves the interface. Choosing throws nothing, but texts and tables need memory.
template <class Body>
gateway_status guarded(gateway_error* error, const Body& body) noexcept {
  try {
    return body();
  } catch (const std::exception& exception) {
    return told(error, gateway_broken, exception.what());
  } catch (...) {
    return told(error, gateway_broken, "unknown exception");
  }
}

template <Role role>
gateway_status end(const gateway& self, uint64_t lease_id, gateway_ending how, gateway_error* error) noexcept {
  auto lease = self.router.adopt<role>(LeaseId{lease_id});
  if (!lease) return told(error, gateway_bad_lease_id, to_string(lease.error()));
  switch (how) {
    case gateway_completed: lease->complete(); break;
    case gateway_unreachable: lease->fail(FailureKind::unreachable); break;
    case gateway_timed_out: lease->fail(FailureKind::timed_out); break;
    case gateway_cut_off: lease->fail(FailureKind::bad_response); break;
    case gateway_cancelled: break;  // destroying the lease cancels it
  }
  return gateway_ok;
}

}  // namespace

gateway_status gateway_create(const char* const* prefill, size_t prefill_count, const char* const* decode,
                              size_t decode_count, uint32_t max_requests, gateway** created, gateway_error* error) {
  return guarded(error, [&] {
    const std::vector<Engine> prompts(prefill, prefill + prefill_count);
    const std::vector<Engine> answers(decode, decode + decode_count);
    auto router = Router::create({.prefill = prompts, .decode = answers, .detached_leases = max_requests});
    if (!router) return told(error, gateway_refused, router.error().text());
    *created = new gateway{std::move(*router)};
    return gateway_ok;
  });
}

void gateway_destroy(gateway* self) {
  delete self;
}

gateway_status gateway_route(gateway* self, uint64_t prompt_tokens, gateway_choice* choice, gateway_error* error) {
  return guarded(error, [&] {
    auto& router = self->router;
    auto route = router.route({.prompt_tokens = prompt_tokens});
    if (!route) {
      const pdroute::NoEndpoint& reason = route.error();
      return told(error, reason.overloaded() ? gateway_try_later : gateway_no_endpoint, reason.text());
    }
    choice->prefill = route->prefill->id.c_str();
    choice->decode = route->decode->id.c_str();
    const auto prefill = router.detach(std::move(route->prefill));
    const auto decode = router.detach(std::move(route->decode));
    if (!prefill || !decode) {
      // A lease that found no room is still in `route` and ends with it. The other lease is taken back, which ends it.
      if (prefill) static_cast<void>(router.adopt<Role::prefill>(*prefill));
      if (decode) static_cast<void>(router.adopt<Role::decode>(*decode));
      return told(error, gateway_try_later, "too many requests run");
    }
    choice->prefill_lease = static_cast<uint64_t>(*prefill);
    choice->decode_lease = static_cast<uint64_t>(*decode);
    return gateway_ok;
  });
}

gateway_status gateway_end_prefill(gateway* self, uint64_t lease_id, gateway_ending how, gateway_error* error) {
  return end<Role::prefill>(*self, lease_id, how, error);
}

gateway_status gateway_end_decode(gateway* self, uint64_t lease_id, gateway_ending how, gateway_error* error) {
  return end<Role::decode>(*self, lease_id, how, error);
}
