// SPDX-License-Identifier: Apache-2.0

/* The example of the C verifier for server.c. */
#include "signet_verifier.h"

#include <stdio.h>

#include "server.h"

EXAMPLE

const char *const refusal = SIGNET_PUBLIC_TEXT;

bool ready(void) { return open_verifier(); }

bool accepts(const char *method, const char *target, const server_headers *headers, const char *body, size_t size, char key_id[KEY_ID_SIZE]) {
  static signet_header pairs[MAX_HEADERS];
  signet_request request = {signet_string(method), signet_string(target), {body, size}, pairs, headers->count};
  for (size_t i = 0; i < headers->count; i++) {
    const server_header *header = &headers->all[i];
    pairs[i] = (signet_header){{header->name, header->name_size}, {header->value, header->value_size}};
  }
  return verified(&request, key_id);
}
