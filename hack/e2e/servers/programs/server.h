// SPDX-License-Identifier: Apache-2.0

/* What server.c asks of the program with an example. */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_HEADERS = 256, KEY_ID_SIZE = 4096 };

typedef struct {
  const char *name;
  size_t name_size;
  const char *value;
  size_t value_size;
} server_header;

typedef struct {
  server_header all[MAX_HEADERS];
  size_t count;
} server_headers;

#ifdef __cplusplus
extern "C" {
#endif

extern const char *const refusal;
bool ready(void);
bool accepts(const char *method, const char *target, const server_headers *headers, const char *body, size_t size, char key_id[KEY_ID_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
