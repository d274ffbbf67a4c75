// SPDX-License-Identifier: Apache-2.0

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.Signature;
import java.security.SignatureException;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.time.format.ResolverStyle;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * Verifies requests that a gateway signed with a Signet signature key: types
 * HMAC, Basic, AES and PublicKey. Copy this file into your backend. It needs only
 * Java 17 or later. Signet's tests run this file, and the example in a servlet of
 * Jetty:
 *
 * <pre>{@code
 * private final SignetVerifier verifier = new SignetVerifier(
 *     List.of(Path.of("/etc/signet/orders")),     // the mounted Secret
 *     SignetVerifier.Options.UNSIGNED_PAYLOAD);   // bindings with payload: Unsigned, the default
 *
 * private boolean verified(HttpServletRequest request, HttpServletResponse response) throws IOException {
 *   String query = request.getQueryString();
 *   String target = request.getRequestURI() + (query == null ? "" : "?" + query);
 *   List<SignetVerifier.Header> headers = new ArrayList<>();
 *   for (String name : Collections.list(request.getHeaderNames())) {
 *     for (String value : Collections.list(request.getHeaders(name))) {
 *       headers.add(new SignetVerifier.Header(name, value));
 *     }
 *   }
 *   if (request.getHeader("Host") == null) {   // HTTP/2 has it in :authority
 *     int port = request.getServerPort();
 *     boolean usual = port == (request.isSecure() ? 443 : 80);
 *     headers.add(new SignetVerifier.Header("Host", request.getServerName() + (usual ? "" : ":" + port)));
 *   }
 *   byte[] body = request.getInputStream().readAllBytes();   // before getParameter and getParts
 *   request.setAttribute("body", body);
 *   try {
 *     request.setAttribute("keyId", verifier.verify(request.getMethod(), target, headers, body));
 *     return true;
 *   } catch (SignetVerifier.Refusal refusal) {
 *     System.err.println(refusal.reason);   // only for the log
 *     response.setStatus(401);
 *     response.getWriter().print(SignetVerifier.PUBLIC_TEXT);
 *     return false;
 *   }
 * }
 * }</pre>
 *
 * With {@code payload: Signed}, use Options.DEFAULT. The target is path and query as
 * they arrived, still escaped. The headers include host, with one entry for each
 * occurrence, and one character for each byte (Latin-1). Jetty refuses paths with an
 * escaped slash, unless its UriCompliance allows them. Over HTTP/2 it does not pass the
 * bytes of values beyond ASCII: a request that has them in a signed header is refused.
 *
 * <p>Limit the size of the body while you read it. Threads can share a verifier. There
 * is no nonce: a captured request can be replayed for 15 minutes, so keep TLS between
 * gateway and backend.
 */
public final class SignetVerifier {
  public static final String PUBLIC_TEXT = "invalid request signature";

  private static final long WINDOW = 15 * 60; // seconds between date and clock, in either direction
  private static final Duration REREAD = Duration.ofSeconds(5); // minimum time between two reads of a directory
  private static final List<String> SCHEMES = List.of("SDK-HMAC-SHA256", "SIGNET-AES-128-CFB", "SIGNET-AES-256-CFB",
      "SIGNET-ECDSA-P256-SHA256", "SIGNET-RSA-SHA256");
  private static final Map<String, Integer> AES_KEY_LENGTHS = Map.of("aes-128-cfb", 16, "aes-256-cfb", 32);
  /** The parameters of P-256 in every SPKI of the curve. */
  private static final String P256 = "3059301306072a8648ce3d020106082a8648ce3d030107";
  private static final String DATE = "x-sdk-date";
  private static final String PAYLOAD = "x-sdk-content-sha256";
  private static final DateTimeFormatter DATE_FORMAT =
      DateTimeFormatter.ofPattern("uuuuMMdd'T'HHmmss'Z'", Locale.ROOT).withResolverStyle(ResolverStyle.STRICT);
  private static final Pattern FIELDS =
      Pattern.compile("Access=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(.+)", Pattern.DOTALL);
  private static final Pattern NAME = Pattern.compile("[a-z0-9!#$%&'*+.^_`|~-]+");
  private static final Pattern METHOD = Pattern.compile("[A-Z0-9!#$%&'*+.^_`|~-]+");
  private static final Pattern HOST = Pattern.compile("[!-~&&[^/@?#]]+");

  /** A refused request. The reason is only for the log, never for the client. */
  public static final class Refusal extends Exception {
    private static final long serialVersionUID = 1;
    public final String reason;

    Refusal(String reason) {
      super(PUBLIC_TEXT);
      this.reason = reason;
    }
  }

  /** A name and a value. */
  public record Header(String name, String value) {}

  /**
   * What a verifier requires: header carries the signature; allowUnsignedPayload is for bindings with {@code payload:
   * Unsigned}; requiredHeaders must be signed if a request has them.
   */
  public record Options(String header, boolean allowUnsignedPayload, List<String> requiredHeaders, Clock clock) {
    public static final Options DEFAULT = new Options("authorization", false, List.of(), Clock.systemUTC());
    /** For bindings with {@code payload: Unsigned}. */
    public static final Options UNSIGNED_PAYLOAD = new Options("authorization", true, List.of(), Clock.systemUTC());
  }

  private interface Scheme {
    boolean matches(byte[] text, String signature) throws GeneralSecurityException;
  }

  /** A version of a key. Scheme is null for Basic, which has the hash of the credential instead. */
  private record Key(String id, String access, String name, Scheme scheme, byte[] credential, Instant until) {
    Key until(Instant time) {
      return new Key(id, access, name, scheme, credential, time);
    }
  }

  private record Fields(String access, List<String> names, String signature) {}

  private final Options options;
  private final String header;
  private final List<String> required;
  private final Map<Path, List<Key>> keys = new HashMap<>();
  private Instant readAt;

  /** Accepts the keys in the directories. */
  public SignetVerifier(List<Path> directories, Options options) throws IOException, GeneralSecurityException {
    this.options = options;
    this.header = lowered(options.header);
    this.required = options.requiredHeaders.stream().map(SignetVerifier::lowered).toList();
    for (Path directory : directories) {
      keys.put(directory, loadKeys(directory));
    }
    readAt = options.clock.instant();
  }

  /**
   * Returns the ID of the key that signed the request. All that it does before it compares signatures takes time in
   * proportion to the request.
   */
  public String verify(String method, String target, List<Header> headers, byte[] body) throws Refusal {
    try {
      checkBytes(target);
      return check(method, target, byName(headers), body);
    } catch (GeneralSecurityException e) {
      throw new Refusal("the signature does not match");
    }
  }

  private String check(String method, String target, Map<String, List<String>> headers, byte[] body)
      throws Refusal, GeneralSecurityException {
    Instant now = options.clock.instant();
    String carried = single(headers, header, "no signature");
    List<Key> accepted = accepted(now);
    String[] parts = carried.split(" ", 2);
    if (parts.length == 2 && lowered(parts[0]).equals("basic")) {
      return verifyBasic(parts[1], accepted);
    }
    demand(METHOD.matcher(method).matches(), "the method is not a token");
    Fields fields = parse(parts);
    checkNames(headers, fields.names);
    String date = checkDate(headers, now);
    List<Key> candidates = accepted.stream()
        .filter(key -> parts[0].equals(key.name) && fields.access.equals(key.access)).toList();
    demand(!candidates.isEmpty(), "no accepted key has this algorithm and ID");
    String payload = payload(headers, fields.names, body);
    for (String query : canonicalQueries(target)) {
      String request = String.join("\n", method, canonicalPath(target), query, canonicalHeaders(headers, fields.names),
          String.join(";", fields.names), payload);
      byte[] text = bytes(String.join("\n", parts[0], date, hex(sha256(bytes(request)))));
      for (Key key : candidates) {
        if (key.scheme.matches(text, fields.signature)) {
          return key.id;
        }
      }
    }
    throw new Refusal("the signature does not match");
  }

  /** A directory that cannot be read keeps its last keys. */
  private synchronized List<Key> accepted(Instant now) {
    if (Duration.between(readAt, now).abs().compareTo(REREAD) >= 0) {
      readAt = now;
      keys.replaceAll((directory, before) -> {
        try {
          return loadKeys(directory);
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
          return before;
        }
      });
    }
    return keys.values().stream().flatMap(List::stream)
        .filter(key -> key.until == null || !now.isAfter(key.until)).toList();
  }

  /** Servers map each byte to one character. Other characters would be ambiguous. */
  private static void checkBytes(String text) throws Refusal {
    demand(text.chars().allMatch(c -> c <= 0xff), "the request contains characters that are not bytes");
  }

  private void checkNames(Map<String, List<String>> headers, List<String> names) throws Refusal {
    demand(names.contains(DATE) && names.contains("host"), "a required header is not signed");
    demand(!names.contains("authorization") && !names.contains(header), "the list of signed headers is malformed");
    for (String name : required) {
      demand(names.contains(name) || values(headers, name).isEmpty(), "a required header is not signed");
    }
  }

  /** The header counts only if it is signed and matches the body. */
  private String payload(Map<String, List<String>> headers, List<String> names, byte[] body)
      throws Refusal, GeneralSecurityException {
    String actual = hex(sha256(body));
    demand(values(headers, PAYLOAD).size() <= 1, "duplicate header");
    if (!names.contains(PAYLOAD)) {
      return actual;
    }
    String claimed = single(headers, PAYLOAD, "a signed header is missing");
    if (claimed.equals("UNSIGNED-PAYLOAD")) {
      demand(options.allowUnsignedPayload, "the body is not signed");
      return claimed;
    }
    demand(claimed.matches("[0-9a-f]{64}"), "the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD");
    demand(equal(claimed, actual), "the body does not match the signed digest");
    return claimed;
  }

  /**
   * Reads a mounted Secret, or the ConfigMap with public components: active, next and previous. The kubelet replaces all
   * files at once by renaming ..data, which can be in the directory or, for a projected path, above it.
   */
  private static List<Key> loadKeys(Path directory) throws IOException, GeneralSecurityException {
    Path place = placeOf(directory);
    List<Object> identity = identityOf(place);
    String type = string(read(place, "type"));
    String algorithm = string(read(place, "algorithm"));
    List<Key> loaded = new ArrayList<>();
    for (String prefix : List.of("", "next.", "previous.")) {
      byte[] id = read(place, prefix + "key-id");
      byte[] key = read(place, prefix + "key");
      byte[] secret = read(place, prefix + "secret");
      if (!prefix.isEmpty() && id.length + key.length + secret.length == 0) {
        continue;
      }
      Key version = makeKey(type, algorithm, id, key, secret);
      String retires = prefix.equals("previous.") ? string(read(place, "previous.retires")) : "";
      // This clock may be ahead of Signet's.
      loaded.add(retires.isEmpty() ? version : version.until(OffsetDateTime.parse(retires).toInstant().plusSeconds(WINDOW)));
    }
    if (!identityOf(placeOf(directory)).equals(identity)) {
      throw new IOException("the directory changed while it was read");
    }
    return loaded;
  }

  /** Returns the directory that the files are in, without links on the way to it. */
  private static Path placeOf(Path directory) throws IOException {
    Path link = directory.resolve("..data");
    return (Files.exists(link, LinkOption.NOFOLLOW_LINKS) ? link : directory).toRealPath();
  }

  /** Returns what tells a directory from another one at its place. */
  private static List<Object> identityOf(Path place) throws IOException {
    var attributes = Files.readAttributes(place, BasicFileAttributes.class);
    return List.of(place, String.valueOf(attributes.fileKey()), attributes.lastModifiedTime());
  }

  private static byte[] read(Path place, String name) throws IOException {
    Path file = place.resolve(name);
    return Files.exists(file) ? Files.readAllBytes(file) : new byte[0];
  }

  private static Key makeKey(String type, String algorithm, byte[] keyId, byte[] key, byte[] secret)
      throws GeneralSecurityException {
    plain("key", key);
    if (!type.equals("PublicKey")) {
      plain("secret", secret);
    }
    if (type.equals("AES") || type.equals("PublicKey")) {
      plain("key-id", keyId);
    }
    String id = string(keyId);
    switch (type) {
      case "HMAC":
        return new Key(id, string(key), SCHEMES.get(0), (text, signature) -> equal(hex(hmac(secret, text)), signature),
            null, null);
      case "Basic":
        return new Key(id, null, null, null, sha256(concat(concat(key, bytes(":")), secret)), null);
      case "AES":
        return new Key(id, id, "SIGNET-" + algorithm.toUpperCase(Locale.ROOT), aes(algorithm, key, secret), null, null);
      case "PublicKey":
        return makePublicKey(id, Base64.getDecoder().decode(key));
      default:
        throw new InvalidKeyException("type: unknown");
    }
  }

  /** Trailing white space is a common mistake in files written by hand. */
  private static void plain(String component, byte[] value) throws InvalidKeyException {
    if (!string(value).matches("[!-~]+")) {
      throw new InvalidKeyException(component + ": missing, or contains a character that is not visible ASCII");
    }
  }

  private static Scheme aes(String algorithm, byte[] key, byte[] vector) throws InvalidKeyException {
    if (key.length != AES_KEY_LENGTHS.getOrDefault(algorithm, 0) || vector.length != 16) {
      throw new InvalidKeyException("algorithm, key or secret: invalid value or length");
    }
    return (text, signature) -> {
      Cipher cipher = Cipher.getInstance("AES/CFB/NoPadding");
      cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new IvParameterSpec(vector));
      return equal(hex(cipher.doFinal(hmac(concat(key, vector), text))), signature);
    };
  }

  private static Key makePublicKey(String id, byte[] spki) throws GeneralSecurityException {
    if (hex(spki).startsWith(P256)) {
      var key = (ECPublicKey) KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(spki));
      return new Key(id, id, "SIGNET-ECDSA-P256-SHA256", signedBy("SHA256withECDSA", key), null, null);
    }
    var key = (RSAPublicKey) KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(spki));
    if (key.getModulus().bitLength() < 2048) {
      throw new InvalidKeyException("key: must be ECDSA P-256, or RSA from 2048 bits");
    }
    return new Key(id, id, "SIGNET-RSA-SHA256", signedBy("SHA256withRSA", key), null, null);
  }

  private static Scheme signedBy(String algorithm, java.security.PublicKey key) {
    return (text, signature) -> {
      byte[] decoded = strictBase64(signature);
      Signature verifier = Signature.getInstance(algorithm);
      verifier.initVerify(key);
      verifier.update(text);
      try {
        return decoded != null && verifier.verify(decoded);
      } catch (SignatureException e) {
        return false;
      }
    };
  }

  private static Fields parse(String[] parts) throws Refusal {
    demand(parts.length == 2, "the signature header is malformed");
    demand(SCHEMES.contains(parts[0]), "unknown algorithm");
    Matcher fields = FIELDS.matcher(parts[1]);
    demand(fields.matches(), "the signature header is malformed");
    List<String> names = List.of(fields.group(2).split(";", -1));
    demand(names.size() <= 128, "the list of signed headers is malformed");
    String before = "";
    for (String name : names) {
      demand(before.compareTo(name) < 0 && NAME.matcher(name).matches(), "the list of signed headers is malformed");
      before = name;
    }
    return new Fields(fields.group(1), names, fields.group(3));
  }

  private static String checkDate(Map<String, List<String>> headers, Instant now) throws Refusal {
    String date = single(headers, DATE, "a signed header is missing");
    try {
      demand(date.matches("[0-9]{8}T[0-9]{6}Z"), "the date is malformed");
      long at = LocalDateTime.parse(date, DATE_FORMAT).toEpochSecond(ZoneOffset.UTC);
      boolean inside = Duration.between(Instant.ofEpochSecond(at), now).abs().compareTo(Duration.ofSeconds(WINDOW)) <= 0;
      demand(inside, "the date is outside the window");
    } catch (DateTimeParseException e) {
      throw new Refusal("the date is malformed");
    }
    return date;
  }

  /** Compares with every key, so that the time does not reveal which one matches. */
  private static String verifyBasic(String credential, List<Key> keys) throws Refusal, GeneralSecurityException {
    byte[] pair = strictBase64(credential);
    demand(pair != null, "the signature header is malformed");
    List<Key> candidates = keys.stream().filter(key -> key.credential != null).toList();
    demand(!candidates.isEmpty(), "no accepted key has this algorithm and ID");
    byte[] digest = sha256(pair);
    List<Key> matching = candidates.stream().filter(key -> MessageDigest.isEqual(digest, key.credential)).toList();
    demand(!matching.isEmpty(), "the signature does not match");
    return matching.get(0).id;
  }

  private static String canonicalPath(String target) throws Refusal {
    String path = target.split("\\?", 2)[0];
    if (path.isEmpty()) {
      return "/";
    }
    demand(path.startsWith("/"), "the target is not a well-formed path and query");
    // An escaped slash becomes a separator; dots and empty segments stay.
    String encoded = escape(unescape(path, '+')).replace("%2F", "/");
    return encoded.endsWith("/") ? encoded : encoded + "/";
  }

  /** Returns the query in both orders that signers sort by: decoded and encoded. */
  private static List<String> canonicalQueries(String target) throws Refusal {
    String[] parts = target.split("\\?", 2);
    List<String[]> decoded = new ArrayList<>();
    for (String pair : parts.length == 2 ? parts[1].split("&") : new String[0]) {
      if (!pair.isEmpty()) {
        String[] nameAndValue = pair.split("=", 2);
        String value = nameAndValue.length == 2 ? nameAndValue[1] : "";
        decoded.add(new String[] {unescape(nameAndValue[0], ' '), unescape(value, ' ')});
      }
    }
    Comparator<String[]> byPair = Comparator.<String[], String>comparing(p -> p[0]).thenComparing(p -> p[1]);
    List<String[]> inDecodedOrder =
        decoded.stream().sorted(byPair).map(p -> new String[] {escape(p[0]), escape(p[1])}).toList();
    List<String[]> inEncodedOrder = inDecodedOrder.stream().sorted(byPair).toList();
    return List.of(joined(inDecodedOrder), joined(inEncodedOrder));
  }

  private static String joined(List<String[]> pairs) {
    return String.join("&", pairs.stream().map(pair -> pair[0] + "=" + pair[1]).toList());
  }

  private static String canonicalHeaders(Map<String, List<String>> headers, List<String> names) throws Refusal {
    StringBuilder lines = new StringBuilder();
    for (String name : names) {
      List<String> found = values(headers, name).stream().map(SignetVerifier::trimmed).sorted().toList();
      if (name.equals("host")) {
        demand(found.size() == 1 && HOST.matcher(found.get(0)).matches(), "the host is missing or malformed");
      }
      demand(!found.isEmpty(), "a signed header is missing");
      for (String value : found) {
        boolean oneLine = value.chars().noneMatch(c -> c == '\r' || c == '\n' || c == 0);
        demand(oneLine, "the header value contains a line break or NUL");
        lines.append(name).append(':').append(value).append('\n');
      }
    }
    return lines.toString();
  }

  /** Removes the white space of HTTP, which is space and tab. A regular expression for it would take quadratic time. */
  private static String trimmed(String value) {
    int begin = 0;
    int end = value.length();
    while (begin < end && isSpace(value.charAt(begin))) {
      begin++;
    }
    while (begin < end && isSpace(value.charAt(end - 1))) {
      end--;
    }
    return value.substring(begin, end);
  }

  private static boolean isSpace(char c) {
    return c == ' ' || c == '\t';
  }

  /** For ASCII alone, as HTTP is: there are other letters whose lower case is in ASCII. */
  private static String lowered(String text) {
    StringBuilder lower = new StringBuilder(text);
    for (int i = 0; i < lower.length(); i++) {
      char c = lower.charAt(i);
      if (c >= 'A' && c <= 'Z') {
        lower.setCharAt(i, (char) (c - 'A' + 'a'));
      }
    }
    return lower.toString();
  }

  /** Refuses broken escapes, which two parties could read in two ways. */
  private static String unescape(String text, char plus) throws Refusal {
    StringBuilder decoded = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      demand(c > ' ' && c != 0x7f && c != '#', "the target is not a well-formed path and query");
      if (c == '+') {
        c = plus;
      } else if (c == '%') {
        boolean whole = i + 2 < text.length() && HexFormat.isHexDigit(text.charAt(i + 1))
            && HexFormat.isHexDigit(text.charAt(i + 2));
        demand(whole, "the target is not a well-formed path and query");
        c = (char) HexFormat.fromHexDigits(text, i + 1, i + 3);
        i += 2;
      }
      decoded.append(c);
    }
    return decoded.toString();
  }

  private static String escape(String text) {
    StringBuilder encoded = new StringBuilder();
    for (byte b : bytes(text)) {
      boolean unreserved = b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || "-_.~".indexOf(b) >= 0;
      encoded.append(unreserved ? String.valueOf((char) b) : String.format("%%%02X", b));
    }
    return encoded.toString();
  }

  /** Maps each name, in lower case, to the values of the header. */
  private static Map<String, List<String>> byName(List<Header> headers) throws Refusal {
    Map<String, List<String>> found = new HashMap<>();
    for (Header h : headers) {
      checkBytes(h.name);
      checkBytes(h.value);
      found.computeIfAbsent(lowered(h.name), name -> new ArrayList<>()).add(h.value);
    }
    return found;
  }

  private static List<String> values(Map<String, List<String>> headers, String name) {
    return headers.getOrDefault(name, List.of());
  }

  /** Refuses repeated headers, of which two parties could read different values. */
  private static String single(Map<String, List<String>> headers, String name, String missing) throws Refusal {
    List<String> found = values(headers, name);
    demand(found.size() <= 1, "duplicate header");
    demand(!found.isEmpty() && !found.get(0).isEmpty(), missing);
    return found.get(0);
  }

  private static void demand(boolean condition, String reason) throws Refusal {
    if (!condition) {
      throw new Refusal(reason);
    }
  }

  /** Returns null unless an encoder writes exactly this text: a signature has one form. */
  private static byte[] strictBase64(String text) {
    try {
      byte[] decoded = Base64.getDecoder().decode(text);
      return Base64.getEncoder().encodeToString(decoded).equals(text) ? decoded : null;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static byte[] sha256(byte[] data) throws GeneralSecurityException {
    return MessageDigest.getInstance("SHA-256").digest(data);
  }

  private static byte[] hmac(byte[] secret, byte[] text) throws GeneralSecurityException {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(secret, "HmacSHA256"));
    return mac.doFinal(text);
  }

  private static boolean equal(String a, String b) {
    return MessageDigest.isEqual(bytes(a), bytes(b));
  }

  private static String hex(byte[] data) {
    return HexFormat.of().formatHex(data);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static String string(byte[] data) {
    return new String(data, StandardCharsets.ISO_8859_1);
  }

  private static byte[] concat(byte[] a, byte[] b) {
    byte[] both = java.util.Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }
}
