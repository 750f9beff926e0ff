/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway in C. It carries two integers per request through its callbacks and gives each back once. */
#include <stdint.h>
#include <stdio.h>

#include "gateway.h"

static void print_refusal(const char* what, enum gateway_status status, const struct gateway_error* error) {
  printf("%s: status %d, %s\n", what, (int)status, status == gateway_ok ? "ok" : error->text);
}

int main(void) {
  const char* const prefill[] = {"p0", "p1"};
  const char* const decode[] = {"d0", "d1"};
  const char* const twice[] = {"d0", "d0"};
  struct gateway* gateway = NULL;
  struct gateway_error error;
  print_refusal("create", gateway_create(prefill, 2, twice, 2, 2, &gateway, &error), &error);
  if (gateway_create(prefill, 2, decode, 2, 2, &gateway, &error) != gateway_ok) return 1;

  struct gateway_choice first, second, third;
  if (gateway_route(gateway, 800, &first, &error) != gateway_ok) return 1;
  if (gateway_route(gateway, 800, &second, &error) != gateway_ok) return 1;
  printf("first %s -> %s, second %s -> %s\n", first.prefill, first.decode, second.prefill, second.decode);
  print_refusal("third", gateway_route(gateway, 800, &third, &error), &error);

  /* The first request gets its first token, then its last. The second request loses its decode engine. */
  print_refusal("prefill", gateway_end_prefill(gateway, first.prefill_lease, gateway_completed, &error), &error);
  print_refusal("decode", gateway_end_decode(gateway, first.decode_lease, gateway_completed, &error), &error);
  gateway_end_prefill(gateway, second.prefill_lease, gateway_completed, &error);
  gateway_end_decode(gateway, second.decode_lease, gateway_unreachable, &error);

  /* A wrong lease id gives an error and changes nothing. */
  print_refusal("again", gateway_end_decode(gateway, first.decode_lease, gateway_completed, &error), &error);
  print_refusal("never given", gateway_end_decode(gateway, 12345, gateway_completed, &error), &error);
  if (gateway_route(gateway, 800, &third, &error) != gateway_ok) return 1;
  if (gateway_route(gateway, 800, &second, &error) != gateway_ok) return 1;
  print_refusal("long after", gateway_end_decode(gateway, first.decode_lease, gateway_completed, &error), &error);
  print_refusal("mixed up", gateway_end_decode(gateway, third.prefill_lease, gateway_completed, &error), &error);

  gateway_destroy(gateway); /* cancels the requests that still run */
  return 0;
}
