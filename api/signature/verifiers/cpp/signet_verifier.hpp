// SPDX-License-Identifier: Apache-2.0

// Verifies requests that a gateway signed with a Signet signature key: types
// HMAC, Basic, AES and PublicKey. Copy this header into your backend. It needs
// C++17, OpenSSL's libcrypto 1.1.1 or later (-lcrypto) and POSIX. Signet's tests run
// this file, and the example with libmicrohttpd:
//
//   signet::Verifier verifier({"/etc/signet/orders"},       // the mounted Secret
//                             signet::unsigned_payload());  // bindings with payload: Unsigned, the default
//
//   std::optional<std::string> verified(const std::string &method, const std::string &target,
//                                       const signet::Headers &headers, const std::string &body) {
//     try {
//       return verifier.verify(method, target, headers, body);
//     } catch (const signet::Refusal &refusal) {
//       std::cerr << refusal.reason << std::endl;  // only for the log
//       return std::nullopt;                       // respond with 401 and signet::public_text
//     }
//   }
//
// With payload: Signed, omit the options. The target is path and query as they arrived,
// still escaped (libmicrohttpd passes them to the callback of
// MHD_OPTION_URI_LOG_CALLBACK). Headers are names and values, including host, one pair
// for each occurrence. Limit the size of the body while you read it. Threads can share a
// Verifier. There is no nonce: a captured request can be replayed for 15 minutes, so keep
// TLS between gateway and backend.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>

namespace signet {

inline constexpr const char *public_text = "invalid request signature";

// A refused request. The reason is only for the log, never for the client.
struct Refusal : std::runtime_error {
  explicit Refusal(std::string why) : std::runtime_error(public_text), reason(std::move(why)) {}
  std::string reason;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Options {
  std::string header = "authorization";       // carries the signature
  bool allow_unsigned_payload = false;        // for bindings with `payload: Unsigned`
  std::vector<std::string> required_headers;  // must be signed if a request has them
  std::function<std::time_t()> clock = [] { return std::time(nullptr); };
};

// The options for bindings with `payload: Unsigned`.
inline Options unsigned_payload() {
  Options options;
  options.allow_unsigned_payload = true;
  return options;
}

namespace detail {

inline constexpr long window = 15 * 60;  // seconds between date and clock, in either direction
inline constexpr long reread = 5;        // minimum seconds between two reads of a directory

inline void demand(bool condition, const char *reason) {
  if (!condition) throw Refusal(reason);
}

inline bool one_of(unsigned char c, const char *set) { return c != 0 && std::strchr(set, c) != nullptr; }
inline bool upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
inline bool lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
inline bool digit(unsigned char c) { return c >= '0' && c <= '9'; }
inline bool visible(unsigned char c) { return c > ' ' && c < 0x7f; }
inline bool lower_token(unsigned char c) { return lower(c) || digit(c) || one_of(c, "!#$%&'*+-.^_`|~"); }
inline bool upper_token(unsigned char c) { return upper(c) || digit(c) || one_of(c, "!#$%&'*+-.^_`|~"); }
inline bool host_character(unsigned char c) { return visible(c) && !one_of(c, "/@?#"); }
inline bool unreserved(unsigned char c) { return upper(c) || lower(c) || digit(c) || one_of(c, "-_.~"); }

template <typename Predicate>
bool all(const std::string &text, Predicate of) {
  return !text.empty() && std::all_of(text.begin(), text.end(), of);
}

inline std::string lowered(std::string text) {
  for (char &c : text)
    if (upper(c)) c = char(c - 'A' + 'a');
  return text;
}

inline bool contains(const std::vector<std::string> &names, const std::string &name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// cut splits at the first separator; without one, the second part is empty.
inline std::pair<std::string, std::optional<std::string>> cut(const std::string &text, char separator) {
  auto at = text.find(separator);
  if (at == std::string::npos) return {text, std::nullopt};
  return {text.substr(0, at), text.substr(at + 1)};
}

inline std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
  }
  return parts;
}

inline std::string joined(const std::vector<std::string> &parts, const char *separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); i++) text += (i ? separator : "") + parts[i];
  return text;
}

inline std::string hex(const std::string &data) {
  std::string text;
  for (unsigned char c : data) text += {"0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
  return text;
}

inline const unsigned char *bytes(const std::string &text) { return reinterpret_cast<const unsigned char *>(text.data()); }

inline std::string sha256(const std::string &data) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(data.data(), data.size(), sum, &length, EVP_sha256(), nullptr) != 1) throw std::runtime_error("no SHA-256");
  return {reinterpret_cast<char *>(sum), length};
}

inline std::string hmac(const std::string &secret, const std::string &text) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (!HMAC(EVP_sha256(), secret.data(), int(secret.size()), bytes(text), text.size(), sum, &length))
    throw std::runtime_error("no HMAC");
  return {reinterpret_cast<char *>(sum), length};
}

inline bool equal(const std::string &a, const std::string &b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Returns nothing unless an encoder writes exactly this text: a signature has one form.
inline std::optional<std::string> strict_base64(const std::string &text) {
  if (text.size() % 4 != 0 || text.size() > (1 << 20)) return std::nullopt;
  std::string decoded(text.size() / 4 * 3, '\0');
  int length = EVP_DecodeBlock(reinterpret_cast<unsigned char *>(decoded.data()), bytes(text), int(text.size()));
  if (length != int(decoded.size())) return std::nullopt;
  for (auto last = text.rbegin(); last != text.rend() && *last == '=' && !decoded.empty(); ++last) decoded.pop_back();
  std::string again(text.size() + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char *>(again.data()), bytes(decoded), int(decoded.size()));
  again.pop_back();
  return again == text ? std::optional(decoded) : std::nullopt;
}

// A version of a signature key.
struct Key {
  std::string id, access, scheme;
  std::string credential;  // the hash of a Basic key's credential; such a key has no scheme
  std::optional<std::time_t> until;
  std::function<bool(const std::string &text, const std::string &signature)> matches;
};

inline std::function<bool(const std::string &, const std::string &)> aes(const EVP_CIPHER *cipher, std::string key, std::string vector) {
  return [=](const std::string &text, const std::string &signature) {
    std::string mac = hmac(key + vector, text), encrypted(mac.size(), '\0');
    std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    int length = 0;
    bool done = context && EVP_EncryptInit_ex(context.get(), cipher, nullptr, bytes(key), bytes(vector)) == 1 &&
                EVP_EncryptUpdate(context.get(), reinterpret_cast<unsigned char *>(encrypted.data()), &length, bytes(mac), int(mac.size())) == 1;
    return done && length == int(encrypted.size()) && equal(hex(encrypted), signature);
  };
}

inline void public_key(Key &key, const std::string &component) {
  auto der = strict_base64(component);
  const unsigned char *at = der ? bytes(*der) : nullptr;
  std::shared_ptr<EVP_PKEY> pkey(der ? d2i_PUBKEY(nullptr, &at, long(der->size())) : nullptr, EVP_PKEY_free);
  // The parameters of P-256 in every SPKI of the curve.
  bool p256 = der && hex(*der).rfind("3059301306072a8648ce3d020106082a8648ce3d030107", 0) == 0;
  if (pkey && EVP_PKEY_base_id(pkey.get()) == EVP_PKEY_EC && p256)
    key.scheme = "SIGNET-ECDSA-P256-SHA256";
  else if (pkey && EVP_PKEY_base_id(pkey.get()) == EVP_PKEY_RSA && EVP_PKEY_bits(pkey.get()) >= 2048)
    key.scheme = "SIGNET-RSA-SHA256";
  else
    throw std::runtime_error("key: must be ECDSA P-256, or RSA from 2048 bits");
  key.matches = [pkey](const std::string &text, const std::string &signature) {
    auto decoded = strict_base64(signature);
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return decoded && context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(*decoded), decoded->size(), bytes(text), text.size()) == 1;
  };
}

// Trailing white space is a common mistake in files written by hand.
inline void plain(const char *component, const std::string &value) {
  if (!all(value, visible)) throw std::runtime_error(std::string(component) + ": missing, or contains a character that is not visible ASCII");
}

inline Key make_key(const std::string &type, const std::string &algorithm, const std::string &id, const std::string &key, const std::string &secret) {
  Key made;
  made.id = made.access = id;
  plain("key", key);
  if (type != "PublicKey") plain("secret", secret);
  if (type == "AES" || type == "PublicKey") plain("key-id", id);
  if (type == "HMAC") {
    made.access = key;
    made.scheme = "SDK-HMAC-SHA256";
    made.matches = [secret](const std::string &text, const std::string &signature) { return equal(hex(hmac(secret, text)), signature); };
  } else if (type == "Basic") {
    made.credential = sha256(key + ":" + secret);
  } else if (type == "AES" && algorithm == "aes-128-cfb" && key.size() == 16 && secret.size() == 16) {
    made.scheme = "SIGNET-AES-128-CFB";
    made.matches = aes(EVP_aes_128_cfb128(), key, secret);
  } else if (type == "AES" && algorithm == "aes-256-cfb" && key.size() == 32 && secret.size() == 16) {
    made.scheme = "SIGNET-AES-256-CFB";
    made.matches = aes(EVP_aes_256_cfb128(), key, secret);
  } else if (type == "PublicKey") {
    public_key(made, key);
  } else {
    throw std::runtime_error("invalid type, algorithm or length of a component");
  }
  return made;
}

// date_seconds returns nothing for an invalid date: invalid days are normalized to other days.
inline std::optional<std::time_t> date_seconds(const std::string &text, const char *layout) {
  std::tm parts{};
  const char *end = strptime(text.c_str(), layout, &parts);
  if (!end || *end) return std::nullopt;
  std::time_t seconds = timegm(&parts);
  char again[32];
  gmtime_r(&seconds, &parts);
  std::size_t length = std::strftime(again, sizeof again, layout, &parts);
  return std::string(again, length) == text ? std::optional(seconds) : std::nullopt;
}

inline std::string read(const std::filesystem::path &file) {
  if (!std::filesystem::exists(file)) return "";
  std::ifstream in(file, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return content;
}

// The directory that files are in, without links on the way to it, and what tells it
// from another one.
struct Place {
  std::filesystem::path path;
  dev_t device;
  ino_t number;
  std::filesystem::file_time_type changed;
  bool operator!=(const Place &other) const {
    return path != other.path || device != other.device || number != other.number || changed != other.changed;
  }
};

inline Place place_of(const std::filesystem::path &directory) {
  auto link = directory / "..data";
  bool linked = std::filesystem::symlink_status(link).type() != std::filesystem::file_type::not_found;
  auto path = std::filesystem::canonical(linked ? link : directory);
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) throw std::runtime_error("cannot read " + directory.string());
  return {path, status.st_dev, status.st_ino, std::filesystem::last_write_time(path)};
}

// load_keys reads a mounted Secret, or the ConfigMap with public components: active,
// next and previous. The kubelet replaces all files at once by renaming ..data, which
// can be in the directory or, for a projected path, above it.
inline std::vector<Key> load_keys(const std::filesystem::path &directory) {
  auto before = place_of(directory);
  auto place = before.path;
  std::vector<Key> keys;
  for (const std::string prefix : {"", "next.", "previous."}) {
    std::string id = read(place / (prefix + "key-id")), key = read(place / (prefix + "key")), secret = read(place / (prefix + "secret"));
    if (!prefix.empty() && (id + key + secret).empty()) continue;
    keys.push_back(make_key(read(place / "type"), read(place / "algorithm"), id, key, secret));
    std::string retires = prefix == "previous." ? read(place / "previous.retires") : "";
    if (retires.empty()) continue;
    keys.back().until = date_seconds(retires, "%Y-%m-%dT%H:%M:%SZ");
    if (!keys.back().until) throw std::runtime_error("previous.retires: no time in UTC");
    *keys.back().until += window;  // this clock may be ahead of Signet's
  }
  if (place_of(directory) != before) throw std::runtime_error("the directory changed while it was read");
  return keys;
}

// The values of each header, by its name in lower case. It is sorted: a client could
// choose names that collide in a hash map.
using ByName = std::map<std::string, std::vector<std::string>>;

inline ByName by_name(const Headers &pairs) {
  ByName headers;
  for (const auto &[name, value] : pairs) headers[lowered(name)].push_back(value);
  return headers;
}

inline std::vector<std::string> values(const ByName &headers, const std::string &name) {
  auto found = headers.find(name);
  return found == headers.end() ? std::vector<std::string>{} : found->second;
}

// single refuses repeated headers, of which two parties could read different values.
inline std::string single(const ByName &headers, const std::string &name, const char *missing) {
  auto found = values(headers, name);
  demand(found.size() <= 1, "duplicate header");
  demand(!found.empty() && !found[0].empty(), missing);
  return found[0];
}

// unescape refuses broken escapes, which two parties could read in two ways.
inline std::string unescape(const std::string &text, char plus) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); i++) {
    unsigned char c = text[i];
    demand(c > ' ' && c != 0x7f && c != '#', "the target is not a well-formed path and query");
    if (c == '%') {
      std::string digits = text.substr(i + 1, 2);
      bool whole = digits.size() == 2 && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
      demand(whole, "the target is not a well-formed path and query");
      decoded += char(std::stoi(digits, nullptr, 16));
      i += 2;
    } else {
      decoded += c == '+' ? plus : char(c);
    }
  }
  return decoded;
}

inline std::string escape(const std::string &text, bool keep_slash = false) {
  std::string encoded;
  for (unsigned char c : text)
    if (unreserved(c) || (keep_slash && c == '/'))
      encoded += char(c);
    else
      encoded += {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
  return encoded;
}

inline std::string canonical_path(const std::string &target) {
  std::string path = cut(target, '?').first;
  if (path.empty()) return "/";
  demand(path[0] == '/', "the target is not a well-formed path and query");
  // An escaped slash becomes a separator; dots and empty segments stay.
  std::string encoded = escape(unescape(path, '+'), true);
  return encoded.back() == '/' ? encoded : encoded + "/";
}

// canonical_queries returns the query in both orders that signers sort by: decoded
// and encoded. Strings compare byte by byte, unsigned.
inline std::vector<std::string> canonical_queries(const std::string &target) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto &pair : split(cut(target, '?').second.value_or(""), '&')) {
    auto [name, value] = cut(pair, '=');
    if (!pair.empty()) pairs.emplace_back(unescape(name, ' '), unescape(value.value_or(""), ' '));
  }
  auto text = [&pairs] {
    std::vector<std::string> parts;
    for (const auto &[name, value] : pairs) parts.push_back(name + "=" + value);
    return joined(parts, "&");
  };
  std::sort(pairs.begin(), pairs.end());
  for (auto &[name, value] : pairs) name = escape(name), value = escape(value);
  std::string decoded_order = text();
  std::sort(pairs.begin(), pairs.end());
  return {decoded_order, text()};
}

// trimmed removes the white space of HTTP, which is space and tab.
inline std::string trimmed(const std::string &value) {
  auto begin = value.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : value.substr(begin, value.find_last_not_of(" \t") - begin + 1);
}

inline std::string canonical_headers(const ByName &headers, const std::vector<std::string> &names) {
  std::string lines;
  for (const auto &name : names) {
    auto found = values(headers, name);
    std::transform(found.begin(), found.end(), found.begin(), trimmed);
    demand(name != "host" || (found.size() == 1 && all(found[0], host_character)), "the host is missing or malformed");
    demand(!found.empty(), "a signed header is missing");
    std::sort(found.begin(), found.end());
    for (const auto &value : found) {
      demand(value.find_first_of(std::string("\r\n\0", 3)) == std::string::npos, "the header value contains a line break or NUL");
      lines += name + ":" + value + "\n";
    }
  }
  return lines;
}

struct Fields {
  std::string scheme, access, signature;
  std::vector<std::string> names;
};

// field cuts `<name>value, ` off the text; no comma follows the last one.
inline std::string field(std::string &text, const std::string &name, bool last) {
  demand(text.rfind(name, 0) == 0, "the signature header is malformed");
  text.erase(0, name.size());
  auto comma = last ? text.size() : text.find(',');
  demand(comma != std::string::npos && comma > 0, "the signature header is malformed");
  std::string value = text.substr(0, comma);
  text.erase(0, comma + 1);
  if (!text.empty() && text[0] == ' ') text.erase(0, 1);
  return value;
}

inline Fields parse(const std::string &scheme, std::optional<std::string> rest) {
  static const std::vector<std::string> schemes = {"SDK-HMAC-SHA256", "SIGNET-AES-128-CFB", "SIGNET-AES-256-CFB",
                                                   "SIGNET-ECDSA-P256-SHA256", "SIGNET-RSA-SHA256"};
  demand(rest.has_value(), "the signature header is malformed");
  demand(contains(schemes, scheme), "unknown algorithm");
  Fields fields{scheme, field(*rest, "Access=", false), "", {}};
  std::string list = field(*rest, "SignedHeaders=", false);
  fields.signature = field(*rest, "Signature=", true);
  fields.names = split(list, ';');
  demand(fields.names.size() <= 128, "the list of signed headers is malformed");
  for (std::size_t i = 0; i < fields.names.size(); i++) {
    bool ascending = i == 0 || fields.names[i - 1] < fields.names[i];
    demand(ascending && all(fields.names[i], lower_token), "the list of signed headers is malformed");
  }
  return fields;
}

inline std::string check_date(const ByName &headers, std::time_t now) {
  std::string date = single(headers, "x-sdk-date", "a signed header is missing");
  auto at = date_seconds(date, "%Y%m%dT%H%M%SZ");
  demand(at.has_value(), "the date is malformed");
  demand(*at - now <= window && now - *at <= window, "the date is outside the window");
  return date;
}

// verify_basic compares with every key, so that the time does not reveal which one
// matches.
inline std::string verify_basic(const std::string &credential, const std::vector<Key> &keys) {
  auto pair = strict_base64(credential);
  demand(pair.has_value(), "the signature header is malformed");
  std::string sum = sha256(*pair);
  const Key *matching = nullptr;
  bool any = false;
  for (const auto &key : keys) {
    if (key.credential.empty()) continue;
    any = true;
    if (equal(sum, key.credential)) matching = &key;
  }
  demand(any, "no accepted key has this algorithm and ID");
  demand(matching, "the signature does not match");
  return matching->id;
}

}  // namespace detail

// Accepts the keys in the directories.
class Verifier {
 public:
  explicit Verifier(const std::vector<std::string> &directories, Options options = {}) : options_(std::move(options)) {
    options_.header = detail::lowered(options_.header);
    for (auto &name : options_.required_headers) name = detail::lowered(name);
    for (const auto &directory : directories) keys_[directory] = detail::load_keys(directory);
    read_at_ = options_.clock();
  }

  // Returns the ID of the key that signed the request, or throws Refusal. All that it does
  // before it compares signatures takes time in proportion to the request.
  std::string verify(const std::string &method, const std::string &target, const Headers &pairs, const std::string &body) {
    using namespace detail;
    std::time_t now = options_.clock();
    ByName headers = by_name(pairs);
    std::string carried = single(headers, options_.header, "no signature");
    auto keys = accepted(now);
    auto [scheme, rest] = cut(carried, ' ');
    if (rest && lowered(scheme) == "basic") return verify_basic(*rest, keys);
    demand(all(method, upper_token), "the method is not a token");
    Fields fields = parse(scheme, rest);
    check_names(headers, fields.names);
    std::string date = check_date(headers, now);
    auto other = [&fields](const Key &key) { return key.scheme != fields.scheme || key.access != fields.access; };
    keys.erase(std::remove_if(keys.begin(), keys.end(), other), keys.end());
    demand(!keys.empty(), "no accepted key has this algorithm and ID");
    std::string payload = check_payload(headers, fields.names, body);
    for (const auto &query : canonical_queries(target)) {
      std::string request = joined({method, canonical_path(target), query, canonical_headers(headers, fields.names), joined(fields.names, ";"), payload}, "\n");
      std::string text = joined({fields.scheme, date, hex(sha256(request))}, "\n");
      for (const auto &key : keys)
        if (key.matches(text, fields.signature)) return key.id;
    }
    throw Refusal("the signature does not match");
  }

 private:
  // A directory that cannot be read keeps its last keys.
  std::vector<detail::Key> accepted(std::time_t now) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (std::labs(long(now - read_at_)) >= detail::reread) {
      read_at_ = now;
      for (auto &[directory, keys] : keys_) try {
          keys = detail::load_keys(directory);
        } catch (const std::exception &) {
          continue;
        }
    }
    std::vector<detail::Key> all;
    for (const auto &[directory, keys] : keys_)
      for (const auto &key : keys)
        if (!key.until || now <= *key.until) all.push_back(key);
    return all;
  }

  void check_names(const detail::ByName &headers, const std::vector<std::string> &names) const {
    using namespace detail;
    demand(contains(names, "x-sdk-date") && contains(names, "host"), "a required header is not signed");
    demand(!contains(names, "authorization") && !contains(names, options_.header), "the list of signed headers is malformed");
    for (const auto &name : options_.required_headers)
      demand(contains(names, name) || values(headers, name).empty(), "a required header is not signed");
  }

  // The header counts only if it is signed and matches the body.
  std::string check_payload(const detail::ByName &headers, const std::vector<std::string> &names, const std::string &body) const {
    using namespace detail;
    static const std::string name = "x-sdk-content-sha256";
    demand(values(headers, name).size() <= 1, "duplicate header");
    std::string actual = hex(sha256(body));
    if (!contains(names, name)) return actual;
    std::string claimed = single(headers, name, "a signed header is missing");
    if (claimed == "UNSIGNED-PAYLOAD") {
      demand(options_.allow_unsigned_payload, "the body is not signed");
      return claimed;
    }
    bool digest = claimed.size() == 64 && claimed.find_first_not_of("0123456789abcdef") == std::string::npos;
    demand(digest, "the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD");
    demand(equal(claimed, actual), "the body does not match the signed digest");
    return claimed;
  }

  Options options_;
  std::map<std::string, std::vector<detail::Key>> keys_;
  std::time_t read_at_ = 0;
  std::mutex mutex_;
};

}  // namespace signet
