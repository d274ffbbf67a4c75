// SPDX-License-Identifier: Apache-2.0

// The example of the C++ verifier for server.c.
#include "signet_verifier.hpp"

#include <iostream>

#include "server.h"

namespace {

EXAMPLE

}  // namespace

const char *const refusal = signet::public_text;

bool ready(void) { return true; }

bool accepts(const char *method, const char *target, const server_headers *headers, const char *body, std::size_t size, char key_id[KEY_ID_SIZE]) {
  signet::Headers pairs;
  for (std::size_t i = 0; i < headers->count; i++) {
    const server_header &header = headers->all[i];
    pairs.emplace_back(std::string(header.name, header.name_size), std::string(header.value, header.value_size));
  }
  auto id = verified(method, target, pairs, std::string(body, size));
  if (id) std::strcpy(key_id, id->c_str());
  return id.has_value();
}
