// SPDX-License-Identifier: Apache-2.0

/* A server of libmicrohttpd, which asks accepts() about each request and answers with the
 * ID of the key and the body. */
#include "server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *target, *body;
  size_t size;
} received;

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

static void *begin(void *context, const char *uri, struct MHD_Connection *connection) {
  (void)context, (void)connection;
  received *request = calloc(1, sizeof *request);
  request->target = strdup(uri);
  return request;
}

static enum MHD_Result add(void *into, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value, size_t value_size) {
  (void)kind;
  server_headers *headers = into;
  if (headers->count == MAX_HEADERS) return MHD_NO;
  headers->all[headers->count++] = (server_header){name, name_size, value, value_size};
  return MHD_YES;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **state) {
  (void)context, (void)url, (void)version;
  received *request = *state;
  if (request->body == NULL) {
    request->body = malloc(1);
    return MHD_YES;
  }
  if (*size > 0) {
    request->body = realloc(request->body, request->size + *size);
    memcpy(request->body + request->size, data, *size);
    request->size += *size;
    *size = 0;
    return MHD_YES;
  }
  static server_headers headers;
  char key_id[KEY_ID_SIZE];
  pthread_mutex_lock(&one);
  headers.count = 0;
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add, &headers);
  bool accepted = accepts(method, request->target, &headers, request->body, request->size, key_id);
  pthread_mutex_unlock(&one);
  struct MHD_Response *response = accepted ? MHD_create_response_from_buffer(request->size, request->body, MHD_RESPMEM_MUST_COPY)
                                           : MHD_create_response_from_buffer(strlen(refusal), (void *)refusal, MHD_RESPMEM_PERSISTENT);
  if (accepted) MHD_add_response_header(response, "X-Key-Id", key_id);
  enum MHD_Result queued = MHD_queue_response(connection, accepted ? 200 : 401, response);
  MHD_destroy_response(response);
  return queued;
}

static void end(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
  (void)context, (void)connection, (void)code;
  received *request = *state;
  if (request == NULL) return;
  free(request->target);
  free(request->body);
  free(request);
}

int main(void) {
  const char *port = strchr(getenv("ADDRESS"), ':') + 1;
  if (!ready()) return 1;
  struct MHD_Daemon *daemon =
      MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, (uint16_t)atoi(port), NULL, NULL, handle, NULL, MHD_OPTION_URI_LOG_CALLBACK, begin, NULL,
                       MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(128 << 10), MHD_OPTION_END);
  if (daemon == NULL) return 1;
  pause(); /* until a signal ends it */
  MHD_stop_daemon(daemon);
  return 0;
}
