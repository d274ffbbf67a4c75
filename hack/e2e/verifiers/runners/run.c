// SPDX-License-Identifier: Apache-2.0

/* Runs the cases of verifiers_test.go, one per line, with the C verifier. */
#include "signet_verifier.h"

#include <stdio.h>

static signet_verifier *verifier;

enum { max_fields = 1 << 15, max_required = 8, settings = 4 };

/* Copies live as long as the process; the list keeps them from being leaks. */
typedef struct copy {
  struct copy *before;
  char text[];
} copy;

static char *copy_of(signet_text text) {
  static copy *last;
  copy *made = calloc(1, sizeof *made + text.size + 1);
  if (text.size > 0) memcpy(made->text, text.data, text.size);
  made->before = last;
  last = made;
  return made->text;
}

/* The verifier's own decoder takes nothing as long as a target may be. */
static signet_text decoded(signet_text field) {
  unsigned char *memory = malloc(field.size + 3);
  int length = EVP_DecodeBlock(memory, (const unsigned char *)field.data, (int)field.size);
  while (field.size > 0 && field.data[--field.size] == '=') length--;
  return (signet_text){(char *)memory, (size_t)length};
}

static signet_verifier *opened(const signet_text *fields, time_t now) {
  static const char *directory[1], *required[max_required];
  signet_options options = {.directories = directory, .directory_count = 1, .required = required};
  directory[0] = copy_of(fields[0]);
  char *header = copy_of(fields[1]), *list = copy_of(fields[3]);
  for (char *c = header; *c != 0; c++) *c = signet_lower(*c);
  for (char *c = list; *c != 0; c++) *c = signet_lower(*c);
  options.header = header;
  options.allow_unsigned_payload = signet_is(fields[2], "1");
  for (char *name = strtok(list, " "); name != NULL; name = strtok(NULL, " ")) required[options.required_count++] = name;
  return signet_open(&options, now);
}

static void judge(signet_text line) {
  static char *configured[settings];
  static signet_text fields[max_fields];
  static signet_header headers[max_fields];
  signet_text time_field;
  size_t count = 0;
  signet_cut(&line, '\t', &time_field);
  time_t now = strtol(time_field.data, NULL, 10);
  for (bool more = true; more && count < max_fields; count++) {
    more = signet_cut(&line, '\t', &fields[count]);
    fields[count] = decoded(fields[count]);
  }
  bool same = verifier != NULL;
  for (size_t i = 0; i < settings && same; i++) same = signet_is(fields[i], configured[i]);
  if (!same) {
    signet_close(verifier);
    verifier = opened(fields, now);
    for (size_t i = 0; i < settings; i++) configured[i] = copy_of(fields[i]);
  }
  signet_request request = {.method = fields[4], .target = fields[5], .body = fields[6], .headers = headers};
  for (size_t i = settings + 3; i + 1 < count; i += 2) headers[request.header_count++] = (signet_header){fields[i], fields[i + 1]};
  char key_id[SIGNET_FILE_SIZE];
  const char *reason = verifier != NULL ? signet_verify(verifier, &request, now, key_id) : "keys";
  printf("%s %s\n", reason == NULL ? "ok" : "no", reason == NULL ? key_id : reason);
  fflush(stdout);
  for (size_t i = 0; i < count; i++) free((void *)fields[i].data);
}

int main(void) {
  char *line = NULL;
  size_t capacity = 0;
  for (ssize_t size; (size = getline(&line, &capacity, stdin)) > 0;) judge((signet_text){line, (size_t)size - 1});
  free(line);
  signet_close(verifier);
  return 0;
}
