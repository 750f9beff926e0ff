/* SPDX-License-Identifier: Apache-2.0 */
/* The C interface of a gateway's routing: a request is two integers, and no C++ type or exception passes it. */
#ifndef EXAMPLE_GATEWAY_H
#define EXAMPLE_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gateway;

enum gateway_status {
  gateway_ok,
  gateway_try_later,    /* every engine is full, or max_requests requests run: HTTP 429 */
  gateway_no_endpoint,  /* no engine can be chosen: HTTP 503 */
  gateway_bad_lease_id, /* used, unknown, dead or of the other role; nothing has changed */
  gateway_refused,      /* the configuration breaks a rule */
  gateway_broken        /* out of memory, or an unexpected exception */
};

/* What went wrong, as text. It is written only if the status is not gateway_ok. */
struct gateway_error {
  char text[120];
};

/* A lease id is never zero. The call that ends its leg uses it up. The names are valid as long as their lease ids. */
struct gateway_choice {
  uint64_t prefill_lease, decode_lease;
  const char *prefill, *decode;
};

enum gateway_ending { gateway_completed, gateway_cancelled, gateway_unreachable, gateway_timed_out, gateway_cut_off };

/* Many threads may call these functions at once, except the first two. */
enum gateway_status gateway_create(const char* const* prefill, size_t prefill_count, const char* const* decode,
                                   size_t decode_count, uint32_t max_requests, struct gateway** created,
                                   struct gateway_error* error);
void gateway_destroy(struct gateway* self); /* cancels the requests that still run */
enum gateway_status gateway_route(struct gateway* self, uint64_t prompt_tokens, struct gateway_choice* choice,
                                  struct gateway_error* error);
enum gateway_status gateway_end_prefill(struct gateway* self, uint64_t lease_id, enum gateway_ending how,
                                        struct gateway_error* error);
enum gateway_status gateway_end_decode(struct gateway* self, uint64_t lease_id, enum gateway_ending how,
                                       struct gateway_error* error);

#ifdef __cplusplus
}
#endif

#endif
