/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's routing as C sees it: a request is two integers, and no C++ type or exception comes through. */
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
  gateway_try_later, /* every engine is full, or as many requests run as this gateway can keep: HTTP 429 */
  gateway_nobody,    /* no engine is there: HTTP 503 */
  gateway_bad_token, /* used, unknown, dead or of the other role; nothing has changed */
  gateway_refused,   /* the configuration breaks a rule */
  gateway_broken     /* out of memory, or an exception that nobody foresaw */
};

/* What went wrong, as text; written only if the status is not gateway_ok. */
struct gateway_error {
  char text[120];
};

/* A token is never zero; it is used up by the call that ends its leg. The names last as long as their tokens. */
struct gateway_choice {
  uint64_t prefill_token, decode_token;
  const char *prefill, *decode;
};

enum gateway_ending { gateway_completed, gateway_cancelled, gateway_unreachable, gateway_timed_out, gateway_cut_off };

/* All functions but the first two may be called by many threads at once. */
enum gateway_status gateway_create(const char* const* prefill, size_t prefill_count, const char* const* decode,
                                   size_t decode_count, uint32_t max_requests, struct gateway** created,
                                   struct gateway_error* error);
void gateway_destroy(struct gateway* self); /* what still runs is cancelled */
enum gateway_status gateway_route(struct gateway* self, uint64_t prompt_tokens, struct gateway_choice* choice,
                                  struct gateway_error* error);
enum gateway_status gateway_end_prefill(struct gateway* self, uint64_t token, enum gateway_ending how,
                                        struct gateway_error* error);
enum gateway_status gateway_end_decode(struct gateway* self, uint64_t token, enum gateway_ending how,
                                       struct gateway_error* error);

#ifdef __cplusplus
}
#endif

#endif
