// SPDX-License-Identifier: Apache-2.0

/* Verifies requests that a gateway signed with a Signet signature key: types
 * HMAC, Basic, AES and PublicKey. Copy this header into your backend and include
 * it in one file, before all others. It needs C11, OpenSSL's libcrypto 1.1.1 or
 * later (-lcrypto), and glibc or musl. Signet's tests run this file, and the example
 * with libmicrohttpd:
 *
 *   static signet_verifier *verifier;
 *
 *   static bool open_verifier(void) {
 *     static const char *const directories[] = {"/etc/signet/orders"};     // the mounted Secret
 *     signet_options options = {.directories = directories, .directory_count = 1,
 *                               .allow_unsigned_payload = true};  // bindings with payload: Unsigned, the default
 *     verifier = signet_open(&options, time(NULL));
 *     return verifier != NULL;
 *   }
 *
 *   static bool verified(const signet_request *request, char key_id[SIGNET_FILE_SIZE]) {
 *     const char *reason = signet_verify(verifier, request, time(NULL), key_id);
 *     if (reason != NULL) fprintf(stderr, "refused: %s\n", reason);  // only for the log
 *     return reason == NULL;  // otherwise respond with 401 and SIGNET_PUBLIC_TEXT
 *   }
 *
 * With payload: Signed, omit allow_unsigned_payload. The target is path and query as
 * they arrived, still escaped (libmicrohttpd passes them to the callback of
 * MHD_OPTION_URI_LOG_CALLBACK). The headers include host, with one entry for each
 * occurrence. Limit the size of the body while you read it. Threads that share a
 * verifier need a lock around signet_verify. There is no nonce: a captured request can
 * be replayed for 15 minutes, so keep TLS between gateway and backend. */
#ifndef SIGNET_VERIFIER_H
#define SIGNET_VERIFIER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strptime and timegm */
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>

#define SIGNET_PUBLIC_TEXT "invalid request signature"
#define SIGNET_WINDOW (15 * 60) /* seconds between date and clock, in either direction */
#define SIGNET_REREAD 5         /* minimum seconds between two reads of a directory */
#define SIGNET_FILE_SIZE 4096   /* more than the largest component */
#define SIGNET_MAX_NAMES 128

/* Text that may contain any bytes and need not end in NUL. */
typedef struct {
  const char *data;
  size_t size;
} signet_text;

typedef struct {
  signet_text name, value;
} signet_header;

typedef struct {
  const char *const *directories; /* the keys in these are accepted */
  size_t directory_count;
  const char *header;          /* carries the signature, in lower case; NULL: authorization */
  bool allow_unsigned_payload; /* for bindings with `payload: Unsigned` */
  const char *const *required; /* headers, in lower case, that must be signed if a request has them */
  size_t required_count;
} signet_options;

typedef struct {
  signet_text method, target, body;
  const signet_header *headers;
  size_t header_count;
} signet_request;

/* One version of a key, as in the files. */
typedef struct {
  const char *scheme; /* NULL for Basic */
  const EVP_CIPHER *cipher;
  EVP_PKEY *public_key;
  char id[SIGNET_FILE_SIZE], key[SIGNET_FILE_SIZE], secret[SIGNET_FILE_SIZE];
  signet_text access;
  bool retires;
  time_t until;
} signet_key;

/* The versions in one directory: active, next, previous. */
typedef struct {
  signet_key keys[3];
  size_t count;
} signet_versions;

typedef struct {
  signet_options options;
  signet_versions **versions; /* for each directory */
  time_t read_at;
} signet_verifier;

/* The header of a signature, and what is known about the request. The headers are
 * sorted by name, whatever its case. */
typedef struct {
  const signet_request *request;
  const signet_header *headers;
  signet_text scheme, access, names, signature, date, payload;
} signet_signed;

typedef struct {
  signet_text name, value;
} signet_parameter;

static inline signet_text signet_string(const char *text) { return (signet_text){text, strlen(text)}; }

static inline bool signet_is(signet_text a, const char *b) { return a.size == strlen(b) && memcmp(a.data, b, a.size) == 0; }

static inline int signet_compare(signet_text a, signet_text b) {
  size_t shorter = a.size < b.size ? a.size : b.size;
  int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
  return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool signet_equal(signet_text a, signet_text b) {
  return a.size == b.size && CRYPTO_memcmp(a.data, b.data, a.size) == 0;
}

static inline char signet_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* Reports whether the text is the name, which is in lower case. */
static inline bool signet_named(signet_text text, const char *name) {
  if (text.size != strlen(name)) return false;
  for (size_t i = 0; i < text.size; i++)
    if (signet_lower(text.data[i]) != name[i]) return false;
  return true;
}

/* Cuts off the text before the separator; false if there is none. */
static inline bool signet_cut(signet_text *rest, char separator, signet_text *before) {
  const char *at = rest->size > 0 ? memchr(rest->data, separator, rest->size) : NULL;
  before->data = rest->data;
  before->size = at != NULL ? (size_t)(at - rest->data) : rest->size;
  size_t taken = before->size + (at != NULL);
  *rest = (signet_text){rest->data + taken, rest->size - taken};
  return at != NULL;
}

static inline bool signet_one_of(char c, const char *set) { return c != 0 && strchr(set, c) != NULL; }

static inline bool signet_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || signet_one_of(c, "-_.~");
}

/* Reports whether the text is an HTTP token without the 26 letters from the given one. */
static inline bool signet_token(signet_text text, char without) {
  for (size_t i = 0; i < text.size; i++) {
    char c = text.data[i];
    bool allowed = (signet_unreserved(c) || signet_one_of(c, "!#$%&'*+^`|")) && !(c >= without && c <= without + 25);
    if (!allowed) return false;
  }
  return text.size > 0;
}

static inline bool signet_visible(signet_text text, const char *but) {
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] <= ' ' || text.data[i] >= 0x7f || signet_one_of(text.data[i], but)) return false;
  return text.size > 0;
}

static inline signet_text signet_hex(const unsigned char sum[32], char digits[64]) {
  for (size_t i = 0; i < 32; i++) {
    digits[2 * i] = "0123456789abcdef"[sum[i] >> 4];
    digits[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
  }
  return (signet_text){digits, 64};
}

/* Decodes into memory of text.size bytes; -1 unless an encoder writes exactly
 * this text: a signature has one form. */
static inline int signet_base64(signet_text text, unsigned char *decoded) {
  if (text.size % 4 != 0 || text.size > SIGNET_FILE_SIZE) return -1;
  int length = EVP_DecodeBlock(decoded, (const unsigned char *)text.data, (int)text.size);
  if (length != (int)(text.size / 4 * 3)) return -1;
  for (size_t i = 1; i <= 2 && i <= text.size && text.data[text.size - i] == '='; i++) length--;
  unsigned char again[SIGNET_FILE_SIZE + 1];
  int size = EVP_EncodeBlock(again, decoded, length);
  return size == (int)text.size && memcmp(again, text.data, text.size) == 0 ? length : -1;
}

/* Invalid days are normalized to other days. */
static inline bool signet_date(signet_text text, const char *layout, time_t *seconds) {
  char copy[32] = {0}, again[32];
  struct tm parts = {0};
  if (text.size >= sizeof copy) return false;
  memcpy(copy, text.data, text.size);
  const char *end = strptime(copy, layout, &parts);
  if (end == NULL || *end != 0) return false;
  *seconds = timegm(&parts);
  if (gmtime_r(seconds, &parts) == NULL) return false;
  size_t length = strftime(again, sizeof again, layout, &parts);
  return length == text.size && memcmp(again, text.data, length) == 0;
}

/* Reads a file into content, which ends in NUL: empty if there is no such file;
 * false if it cannot be read, is too long, or is not visible ASCII. */
static inline bool signet_read(int directory, const char *prefix, const char *name, char content[SIGNET_FILE_SIZE]) {
  char path[64] = {0};
  strncat(strncat(path, prefix, 16), name, 32);
  content[0] = 0;
  int file = openat(directory, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno == ENOENT;
  size_t size = 0;
  ssize_t got;
  while ((got = read(file, content + size, SIGNET_FILE_SIZE - size)) > 0 && (size += (size_t)got) < SIGNET_FILE_SIZE) continue;
  close(file);
  if (got < 0 || size >= SIGNET_FILE_SIZE) return false;
  content[size] = 0;
  /* A trailing line break is a common mistake in files written by hand. */
  return size == 0 || signet_visible((signet_text){content, size}, "");
}

static inline bool signet_parse_public(signet_key *key) {
  unsigned char der[SIGNET_FILE_SIZE];
  const unsigned char *at = der;
  /* The beginning of every SPKI of the curve P-256. */
  static const unsigned char p256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                       0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  int size = signet_base64(signet_string(key->key), der);
  key->public_key = size > 0 ? d2i_PUBKEY(NULL, &at, size) : NULL;
  if (key->public_key == NULL) return false;
  int kind = EVP_PKEY_base_id(key->public_key);
  if (kind == EVP_PKEY_EC && size > (int)sizeof p256 && memcmp(der, p256, sizeof p256) == 0)
    key->scheme = "SIGNET-ECDSA-P256-SHA256";
  else if (kind == EVP_PKEY_RSA && EVP_PKEY_bits(key->public_key) >= 2048)
    key->scheme = "SIGNET-RSA-SHA256";
  return key->scheme != NULL;
}

static inline bool signet_parse_key(signet_key *key, const char *type, const char *algorithm) {
  bool pair = strcmp(type, "PublicKey") == 0, aes = strcmp(type, "AES") == 0;
  key->access = signet_string(key->id);
  if (key->key[0] == 0 || (!pair && key->secret[0] == 0) || ((pair || aes) && key->id[0] == 0)) return false;
  if (pair) return signet_parse_public(key);
  if (strcmp(type, "HMAC") == 0) {
    key->access = signet_string(key->key);
    key->scheme = "SDK-HMAC-SHA256";
    return true;
  }
  if (aes && strlen(key->secret) == 16) {
    size_t length = strlen(key->key);
    if (strcmp(algorithm, "aes-128-cfb") == 0 && length == 16) {
      key->scheme = "SIGNET-AES-128-CFB";
      key->cipher = EVP_aes_128_cfb128();
    } else if (strcmp(algorithm, "aes-256-cfb") == 0 && length == 32) {
      key->scheme = "SIGNET-AES-256-CFB";
      key->cipher = EVP_aes_256_cfb128();
    }
    return key->scheme != NULL;
  }
  return strcmp(type, "Basic") == 0;
}

static inline void signet_free_versions(signet_versions *versions) {
  for (size_t i = 0; versions != NULL && i < 3; i++) EVP_PKEY_free(versions->keys[i].public_key);
  if (versions != NULL) OPENSSL_cleanse(versions, sizeof *versions);
  free(versions);
}

static inline bool signet_read_versions(int directory, signet_versions *versions) {
  static const char *const prefixes[] = {"", "next.", "previous."};
  char type[SIGNET_FILE_SIZE], algorithm[SIGNET_FILE_SIZE], retires[SIGNET_FILE_SIZE];
  if (!signet_read(directory, "", "type", type) || !signet_read(directory, "", "algorithm", algorithm) ||
      !signet_read(directory, "previous.", "retires", retires))
    return false;
  for (size_t i = 0; i < 3; i++) {
    signet_key *key = &versions->keys[versions->count];
    if (!signet_read(directory, prefixes[i], "key-id", key->id) || !signet_read(directory, prefixes[i], "key", key->key) ||
        !signet_read(directory, prefixes[i], "secret", key->secret))
      return false;
    bool there = key->id[0] != 0 || key->key[0] != 0 || key->secret[0] != 0;
    if (i > 0 && !there) continue;
    if (!signet_parse_key(key, type, algorithm)) return false;
    key->retires = i == 2 && retires[0] != 0;
    if (key->retires && !signet_date(signet_string(retires), "%Y-%m-%dT%H:%M:%SZ", &key->until)) return false;
    if (key->retires) key->until += SIGNET_WINDOW; /* this clock may be ahead of Signet's */
    versions->count++;
  }
  return true;
}

/* Reads a mounted Secret, or the ConfigMap with public components: active, next and
 * previous; NULL if that fails. The kubelet replaces all files at once by renaming
 * ..data, which can be in the directory or, for a projected path, above it; an opened
 * directory stays the same, except for files that are removed or renamed in it. */
static inline signet_versions *signet_load(const char *path) {
  char link[SIGNET_FILE_SIZE];
  if (strlen(path) + sizeof "/..data" > sizeof link) return NULL;
  strcpy(link, path);
  strcat(link, "/..data");
  int directory = open(link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool linked = directory >= 0;
  if (!linked) directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  signet_versions *versions = directory >= 0 ? calloc(1, sizeof *versions) : NULL;
  struct stat opened, now;
  bool complete = versions != NULL && fstat(directory, &opened) == 0 && signet_read_versions(directory, versions) &&
                  stat(linked ? link : path, &now) == 0 && opened.st_dev == now.st_dev && opened.st_ino == now.st_ino &&
                  opened.st_mtim.tv_sec == now.st_mtim.tv_sec && opened.st_mtim.tv_nsec == now.st_mtim.tv_nsec;
  if (directory >= 0) close(directory);
  if (complete) return versions;
  signet_free_versions(versions);
  return NULL;
}

static inline void signet_close(signet_verifier *verifier) {
  if (verifier == NULL) return;
  for (size_t i = 0; verifier->versions != NULL && i < verifier->options.directory_count; i++)
    signet_free_versions(verifier->versions[i]);
  free(verifier->versions);
  free(verifier);
}

/* Reads the keys; NULL if that fails. The data of the options must stay valid. */
static inline signet_verifier *signet_open(const signet_options *options, time_t now) {
  signet_verifier *verifier = calloc(1, sizeof *verifier);
  if (verifier == NULL) return NULL;
  verifier->options = *options;
  verifier->read_at = now;
  if (options->header == NULL) verifier->options.header = "authorization";
  verifier->versions = calloc(options->directory_count, sizeof *verifier->versions);
  for (size_t i = 0; i < options->directory_count; i++) {
    if (verifier->versions == NULL || (verifier->versions[i] = signet_load(options->directories[i])) == NULL) {
      signet_close(verifier);
      return NULL;
    }
  }
  return verifier;
}

/* A directory that cannot be read keeps its last keys. */
static inline void signet_reload(signet_verifier *verifier, time_t now) {
  if (now - verifier->read_at < SIGNET_REREAD && verifier->read_at - now < SIGNET_REREAD) return;
  verifier->read_at = now;
  for (size_t i = 0; i < verifier->options.directory_count; i++) {
    signet_versions *fresh = signet_load(verifier->options.directories[i]);
    if (fresh == NULL) continue;
    signet_free_versions(verifier->versions[i]);
    verifier->versions[i] = fresh;
  }
}

/* Returns the next accepted key from place on; NULL after the last. */
static inline const signet_key *signet_next_key(const signet_verifier *verifier, time_t now, size_t *place) {
  while (*place < 3 * verifier->options.directory_count) {
    const signet_versions *versions = verifier->versions[*place / 3];
    size_t at = (*place)++ % 3;
    if (at < versions->count && (!versions->keys[at].retires || now <= versions->keys[at].until)) return &versions->keys[at];
  }
  return NULL;
}

/* Compares names, whatever the case of their ASCII letters. */
static inline int signet_compare_names(signet_text a, signet_text b) {
  for (size_t i = 0; i < a.size && i < b.size; i++) {
    unsigned char left = (unsigned char)signet_lower(a.data[i]), right = (unsigned char)signet_lower(b.data[i]);
    if (left != right) return left - right;
  }
  return (a.size > b.size) - (a.size < b.size);
}

/* The white space of HTTP is space and tab. */
static inline signet_text signet_trim(signet_text text) {
  while (text.size > 0 && signet_one_of(text.data[0], " \t")) text = (signet_text){text.data + 1, text.size - 1};
  while (text.size > 0 && signet_one_of(text.data[text.size - 1], " \t")) text.size--;
  return text;
}

/* The order of headers in the canonical request. */
static inline int signet_by_name(const void *a, const void *b) {
  const signet_header *left = a, *right = b;
  int order = signet_compare_names(left->name, right->name);
  return order != 0 ? order : signet_compare(signet_trim(left->value), signet_trim(right->value));
}

/* Returns the first header of the name, and how often the request has it. */
static inline size_t signet_headers(const signet_signed *parsed, signet_text name, const signet_header **first) {
  size_t low = 0, high = parsed->request->header_count, count = 0;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (signet_compare_names(parsed->headers[middle].name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *first = parsed->headers + low;
  while (low + count < parsed->request->header_count && signet_compare_names(parsed->headers[low + count].name, name) == 0) count++;
  return count;
}

static inline size_t signet_count(const signet_signed *parsed, const char *name) {
  const signet_header *first;
  return signet_headers(parsed, signet_string(name), &first);
}

/* Refuses repeated headers, of which two parties could read different values. */
static inline const char *signet_single(const signet_signed *parsed, const char *name, const char *missing, signet_text *value) {
  const signet_header *first;
  size_t count = signet_headers(parsed, signet_string(name), &first);
  if (count > 1) return "duplicate header";
  if (count == 0 || first->value.size == 0) return missing;
  *value = first->value;
  return NULL;
}

static inline bool signet_listed(signet_text names, const char *name) {
  signet_text one;
  for (bool more = true; more;) {
    more = signet_cut(&names, ';', &one);
    if (signet_is(one, name)) return true;
  }
  return false;
}

/* Cuts `<name>value, ` off the text; no comma follows the last one. */
static inline bool signet_field(signet_text *rest, const char *name, bool last, signet_text *value) {
  size_t length = strlen(name);
  if (rest->size < length || memcmp(rest->data, name, length) != 0) return false;
  *rest = (signet_text){rest->data + length, rest->size - length};
  if (last) {
    *value = *rest;
    return value->size > 0;
  }
  if (!signet_cut(rest, ',', value) || value->size == 0) return false;
  if (rest->size > 0 && rest->data[0] == ' ') *rest = (signet_text){rest->data + 1, rest->size - 1};
  return true;
}

static inline const char *signet_parse(bool spaced, signet_text rest, signet_signed *parsed) {
  static const char *const schemes[] = {"SDK-HMAC-SHA256", "SIGNET-AES-128-CFB", "SIGNET-AES-256-CFB",
                                        "SIGNET-ECDSA-P256-SHA256", "SIGNET-RSA-SHA256"};
  bool known = false;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) known |= signet_is(parsed->scheme, schemes[i]);
  if (!spaced) return "the signature header is malformed";
  if (!known) return "unknown algorithm";
  if (!signet_field(&rest, "Access=", false, &parsed->access) || !signet_field(&rest, "SignedHeaders=", false, &parsed->names) ||
      !signet_field(&rest, "Signature=", true, &parsed->signature))
    return "the signature header is malformed";
  signet_text names = parsed->names, before = {"", 0}, name;
  size_t count = 0;
  for (bool more = true; more; before = name) {
    more = signet_cut(&names, ';', &name);
    if (signet_compare(before, name) >= 0 || !signet_token(name, 'A') || ++count > SIGNET_MAX_NAMES)
      return "the list of signed headers is malformed";
  }
  return NULL;
}

static inline const char *signet_check_names(const signet_options *options, const signet_signed *parsed) {
  if (!signet_listed(parsed->names, "x-sdk-date") || !signet_listed(parsed->names, "host"))
    return "a required header is not signed";
  if (signet_listed(parsed->names, "authorization") || signet_listed(parsed->names, options->header))
    return "the list of signed headers is malformed";
  for (size_t i = 0; i < options->required_count; i++)
    if (!signet_listed(parsed->names, options->required[i]) && signet_count(parsed, options->required[i]) > 0)
      return "a required header is not signed";
  return NULL;
}

static inline const char *signet_check_date(signet_signed *parsed, time_t now) {
  const char *reason = signet_single(parsed, "x-sdk-date", "a signed header is missing", &parsed->date);
  time_t at;
  if (reason != NULL) return reason;
  if (!signet_date(parsed->date, "%Y%m%dT%H%M%SZ", &at)) return "the date is malformed";
  return at - now > SIGNET_WINDOW || now - at > SIGNET_WINDOW ? "the date is outside the window" : NULL;
}

/* The header counts only if it is signed and matches the body. */
static inline const char *signet_check_payload(const signet_options *options, signet_signed *parsed, char digits[64]) {
  static const char name[] = "x-sdk-content-sha256";
  unsigned char sum[32];
  signet_text body = parsed->request->body;
  if (signet_count(parsed, name) > 1) return "duplicate header";
  if (EVP_Digest(body.data, body.size, sum, NULL, EVP_sha256(), NULL) != 1) return "libcrypto has failed";
  signet_text actual = signet_hex(sum, digits);
  parsed->payload = actual;
  if (!signet_listed(parsed->names, name)) return NULL;
  const char *reason = signet_single(parsed, name, "a signed header is missing", &parsed->payload);
  if (reason != NULL) return reason;
  if (signet_is(parsed->payload, "UNSIGNED-PAYLOAD")) return options->allow_unsigned_payload ? NULL : "the body is not signed";
  for (size_t i = 0; i < parsed->payload.size; i++)
    if (!signet_one_of(parsed->payload.data[i], "0123456789abcdef")) return "the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD";
  if (parsed->payload.size != 64) return "the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD";
  return signet_equal(parsed->payload, actual) ? NULL : "the body does not match the signed digest";
}

static inline void signet_put(EVP_MD_CTX *hash, const char *data, size_t size) { EVP_DigestUpdate(hash, data, size); }

static inline void signet_put_escaped(EVP_MD_CTX *hash, signet_text text) {
  for (size_t i = 0; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    const char escaped[] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
    if (signet_unreserved((char)c))
      signet_put(hash, text.data + i, 1);
    else
      signet_put(hash, escaped, 3);
  }
}

/* Decodes into memory of text.size bytes. Refuses broken
 * escapes, which two parties could read in two ways. */
static inline bool signet_unescape(signet_text text, char plus, char *memory, signet_text *decoded) {
  static const char digits[] = "0123456789abcdefABCDEF";
  size_t size = 0;
  for (size_t i = 0; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c <= ' ' || c == 0x7f || c == '#') return false;
    if (c == '+') c = (unsigned char)plus;
    if (c == '%') {
      if (text.size - i < 3 || !signet_one_of(text.data[i + 1], digits) || !signet_one_of(text.data[i + 2], digits)) return false;
      const char pair[] = {text.data[i + 1], text.data[i + 2], 0};
      c = (unsigned char)strtoul(pair, NULL, 16);
      i += 2;
    }
    memory[size++] = (char)c;
  }
  *decoded = (signet_text){memory, size};
  return true;
}

/* An escaped slash becomes a separator; dots and empty segments stay. */
static inline bool signet_put_path(EVP_MD_CTX *hash, signet_text path, char *memory) {
  signet_text segment;
  if (path.size > 0 && path.data[0] != '/') return false;
  if (!signet_unescape(path, '+', memory, &path)) return false;
  bool ends = path.size > 0 && path.data[path.size - 1] == '/';
  for (bool more = path.size > 0; more;) {
    more = signet_cut(&path, '/', &segment);
    signet_put_escaped(hash, segment);
    if (more) signet_put(hash, "/", 1);
  }
  if (!ends) signet_put(hash, "/", 1);
  return true;
}

static inline int signet_by_decoded(const void *a, const void *b) {
  const signet_parameter *left = a, *right = b;
  int order = signet_compare(left->name, right->name);
  return order != 0 ? order : signet_compare(left->value, right->value);
}

/* Compares the encoded forms: an escape sorts before every unescaped character,
 * since '%' does. */
static inline int signet_compare_encoded(signet_text a, signet_text b) {
  for (size_t i = 0; i < a.size && i < b.size; i++) {
    if (a.data[i] == b.data[i]) continue;
    bool left = signet_unreserved(a.data[i]), right = signet_unreserved(b.data[i]);
    return left != right ? left - right : (unsigned char)a.data[i] - (unsigned char)b.data[i];
  }
  return (a.size > b.size) - (a.size < b.size);
}

static inline int signet_by_encoded(const void *a, const void *b) {
  const signet_parameter *left = a, *right = b;
  int order = signet_compare_encoded(left->name, right->name);
  return order != 0 ? order : signet_compare_encoded(left->value, right->value);
}

/* Parameters and memory have room for query.size of each. */
static inline bool signet_put_query(EVP_MD_CTX *hash, signet_text query, bool encoded, signet_parameter *parameters, char *memory) {
  size_t count = 0;
  for (bool more = true; more;) {
    signet_text pair, name;
    more = signet_cut(&query, '&', &pair);
    if (pair.size == 0) continue;
    signet_cut(&pair, '=', &name);
    signet_parameter *parameter = &parameters[count++];
    if (!signet_unescape(name, ' ', memory, &parameter->name)) return false;
    memory += name.size;
    if (!signet_unescape(pair, ' ', memory, &parameter->value)) return false;
    memory += pair.size;
  }
  if (count > 0) qsort(parameters, count, sizeof *parameters, encoded ? signet_by_encoded : signet_by_decoded);
  for (size_t i = 0; i < count; i++) {
    if (i > 0) signet_put(hash, "&", 1);
    signet_put_escaped(hash, parameters[i].name);
    signet_put(hash, "=", 1);
    signet_put_escaped(hash, parameters[i].value);
  }
  return true;
}

static inline const char *signet_put_header(EVP_MD_CTX *hash, const signet_signed *parsed, signet_text name) {
  const signet_header *first;
  size_t count = signet_headers(parsed, name, &first);
  if (signet_is(name, "host") && (count != 1 || !signet_visible(signet_trim(first->value), "/@?#"))) return "the host is missing or malformed";
  if (count == 0) return "a signed header is missing";
  for (size_t i = 0; i < count; i++) {
    signet_text value = signet_trim(first[i].value);
    for (size_t j = 0; j < value.size; j++)
      if (value.data[j] == 0 || signet_one_of(value.data[j], "\r\n")) return "the header value contains a line break or NUL";
    signet_put(hash, name.data, name.size);
    signet_put(hash, ":", 1);
    signet_put(hash, value.data, value.size);
    signet_put(hash, "\n", 1);
  }
  return NULL;
}

/* The memory of the canonical request. */
typedef struct {
  EVP_MD_CTX *hash;
  signet_parameter *parameters;
  char *decoded;
} signet_memory;

/* Hashes the canonical request, with the query in one of the two orders that
 * signers sort by. */
static inline const char *signet_canonical(const signet_signed *parsed, bool encoded, signet_memory *memory, unsigned char sum[32]) {
  const signet_request *request = parsed->request;
  EVP_MD_CTX *hash = memory->hash;
  signet_text query = request->target, path, names = parsed->names, name;
  if (EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) return "libcrypto has failed";
  signet_put(hash, request->method.data, request->method.size);
  signet_put(hash, "\n", 1);
  signet_cut(&query, '?', &path);
  if (!signet_put_path(hash, path, memory->decoded)) return "the target is not a well-formed path and query";
  signet_put(hash, "\n", 1);
  if (!signet_put_query(hash, query, encoded, memory->parameters, memory->decoded)) return "the target is not a well-formed path and query";
  signet_put(hash, "\n", 1);
  for (bool more = true; more;) {
    more = signet_cut(&names, ';', &name);
    const char *reason = signet_put_header(hash, parsed, name);
    if (reason != NULL) return reason;
  }
  signet_put(hash, "\n", 1);
  signet_put(hash, parsed->names.data, parsed->names.size);
  signet_put(hash, "\n", 1);
  signet_put(hash, parsed->payload.data, parsed->payload.size);
  return EVP_DigestFinal_ex(hash, sum, NULL) == 1 ? NULL : "libcrypto has failed";
}

static inline bool signet_matches_pair(const signet_key *key, signet_text text, signet_text signature) {
  unsigned char decoded[SIGNET_FILE_SIZE];
  int size = signet_base64(signature, decoded);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool right = size >= 0 && context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->public_key) == 1 &&
               EVP_DigestVerify(context, decoded, (size_t)size, (const unsigned char *)text.data, text.size) == 1;
  EVP_MD_CTX_free(context);
  return right;
}

/* The HMAC of AES has key and vector as its secret, and is encrypted. */
static inline bool signet_matches_mac(const signet_key *key, signet_text text, signet_text signature) {
  char secret[2 * SIGNET_FILE_SIZE] = {0}, digits[64];
  unsigned char sum[32], encrypted[32];
  if (key->cipher != NULL) strcpy(secret, key->key);
  strcat(secret, key->secret);
  bool done = HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text.data, text.size, sum, NULL) != NULL;
  OPENSSL_cleanse(secret, sizeof secret);
  if (done && key->cipher != NULL) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0;
    done = context != NULL && EVP_EncryptInit_ex(context, key->cipher, NULL, (const unsigned char *)key->key, (const unsigned char *)key->secret) == 1 &&
           EVP_EncryptUpdate(context, encrypted, &size, sum, 32) == 1 && size == 32;
    EVP_CIPHER_CTX_free(context);
    if (done) memcpy(sum, encrypted, sizeof sum);
  }
  return done && signet_equal(signet_hex(sum, digits), signature);
}

static inline const char *signet_match(const signet_verifier *verifier, const signet_signed *parsed, time_t now, signet_memory *memory,
                                       const signet_key **found) {
  for (int encoded = 0; encoded <= 1; encoded++) {
    unsigned char sum[32];
    char digits[64], text[128];
    const char *reason = signet_canonical(parsed, encoded, memory, sum);
    if (reason != NULL) return reason;
    size_t size = 0;
    const signet_text parts[] = {parsed->scheme, {"\n", 1}, parsed->date, {"\n", 1}, signet_hex(sum, digits)};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; size += parts[i++].size) memcpy(text + size, parts[i].data, parts[i].size);
    size_t place = 0;
    for (const signet_key *key; (key = signet_next_key(verifier, now, &place)) != NULL;) {
      if (key->scheme == NULL || !signet_is(parsed->scheme, key->scheme) || signet_compare(parsed->access, key->access) != 0) continue;
      bool (*matches)(const signet_key *, signet_text, signet_text) = key->public_key != NULL ? signet_matches_pair : signet_matches_mac;
      if (matches(key, (signet_text){text, size}, parsed->signature)) {
        *found = key;
        return NULL;
      }
    }
  }
  return "the signature does not match";
}

/* Compares with every key, so that the time does not reveal which one matches. */
static inline const char *signet_match_basic(const signet_verifier *verifier, signet_text credential, time_t now, const signet_key **found) {
  unsigned char pair[SIGNET_FILE_SIZE], sum[32], want[32];
  int size = signet_base64(credential, pair);
  bool any = false;
  size_t place = 0;
  if (size < 0) return "the signature header is malformed";
  if (EVP_Digest(pair, (size_t)size, sum, NULL, EVP_sha256(), NULL) != 1) return "libcrypto has failed";
  for (const signet_key *key; (key = signet_next_key(verifier, now, &place)) != NULL;) {
    if (key->scheme != NULL) continue;
    char expected[2 * SIGNET_FILE_SIZE + 1];
    strcat(strcat(strcpy(expected, key->key), ":"), key->secret);
    if (EVP_Digest(expected, strlen(expected), want, NULL, EVP_sha256(), NULL) != 1) return "libcrypto has failed";
    any = true;
    if (CRYPTO_memcmp(sum, want, sizeof sum) == 0) *found = key;
  }
  if (*found != NULL) return NULL;
  return any ? "the signature does not match" : "no accepted key has this algorithm and ID";
}

static inline bool signet_has_candidate(const signet_verifier *verifier, const signet_signed *parsed, time_t now) {
  size_t place = 0;
  for (const signet_key *key; (key = signet_next_key(verifier, now, &place)) != NULL;)
    if (key->scheme != NULL && signet_is(parsed->scheme, key->scheme) && signet_compare(parsed->access, key->access) == 0) return true;
  return false;
}

/* The headers are those of the request, sorted by name. */
static inline const char *signet_find(const signet_verifier *verifier, const signet_request *request, const signet_header *headers, time_t now,
                                      const signet_key **found) {
  signet_signed parsed = {.request = request, .headers = headers};
  signet_text carried = {"", 0};
  char digits[64];
  const char *reason = signet_single(&parsed, verifier->options.header, "no signature", &carried);
  if (reason != NULL) return reason;
  bool spaced = signet_cut(&carried, ' ', &parsed.scheme);
  if (spaced && signet_named(parsed.scheme, "basic")) return signet_match_basic(verifier, carried, now, found);
  if (!signet_token(request->method, 'a')) return "the method is not a token";
  if ((reason = signet_parse(spaced, carried, &parsed)) != NULL) return reason;
  if ((reason = signet_check_names(&verifier->options, &parsed)) != NULL) return reason;
  if ((reason = signet_check_date(&parsed, now)) != NULL) return reason;
  if (!signet_has_candidate(verifier, &parsed, now)) return "no accepted key has this algorithm and ID";
  if ((reason = signet_check_payload(&verifier->options, &parsed, digits)) != NULL) return reason;
  size_t room = request->target.size + 1;
  signet_memory memory = {EVP_MD_CTX_new(), calloc(room, sizeof(signet_parameter)), malloc(room)};
  bool enough = memory.hash != NULL && memory.parameters != NULL && memory.decoded != NULL;
  reason = enough ? signet_match(verifier, &parsed, now, &memory, found) : "out of memory";
  EVP_MD_CTX_free(memory.hash);
  free(memory.parameters);
  free(memory.decoded);
  return reason;
}

/* Returns NULL and sets key_id to the ID of the key if it accepts the request.
 * Otherwise it returns the reason, which is only for the log, never for the client. All
 * that it does before it compares signatures takes time in proportion to the request,
 * with the qsort of glibc or musl. */
static inline const char *signet_verify(signet_verifier *verifier, const signet_request *request, time_t now, char key_id[SIGNET_FILE_SIZE]) {
  const signet_key *found = NULL;
  signet_reload(verifier, now);
  signet_header *sorted = calloc(request->header_count + 1, sizeof *sorted);
  if (sorted == NULL) return "out of memory";
  if (request->header_count > 0) memcpy(sorted, request->headers, request->header_count * sizeof *sorted);
  qsort(sorted, request->header_count, sizeof *sorted, signet_by_name);
  const char *reason = signet_find(verifier, request, sorted, now, &found);
  free(sorted);
  if (reason == NULL) strcpy(key_id, found->id);
  return reason;
}

#endif
