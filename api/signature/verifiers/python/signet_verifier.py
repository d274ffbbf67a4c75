# SPDX-License-Identifier: Apache-2.0
"""Verifies requests that a gateway signed with a Signet signature key.

Copy this file into your backend. HMAC and Basic need only the standard library;
AES and PublicKey need the package `cryptography`. Signet's tests run this file, and
the example as WSGI middleware of gunicorn and waitress:

    verifier = Verifier(["/etc/signet/orders"],       # the mounted Secret
                        allow_unsigned_payload=True)  # bindings with payload: Unsigned, the default

    def verified(application):
        def respond(environ, start_response):
            try:
                environ["signet.key_id"] = verifier.verify(*wsgi_request(environ))
            except Refusal as refusal:
                logging.warning("refused: %s", refusal.reason)  # only for the log
                start_response("401 Unauthorized", [("Content-Type", "text/plain")])
                return [PUBLIC_TEXT.encode()]
            return application(environ, start_response)
        return respond

With payload: Signed, omit allow_unsigned_payload. Without WSGI, verify takes method,
target, headers and body. target is path and query as they arrived, still escaped;
headers are (name, value) pairs, including host, one for each occurrence; text has one
character for each byte (Latin-1).

WSGI joins repeated headers: a request that repeats a signed header is refused. So is
every request if the server passes neither RAW_URI nor REQUEST_URI.

Limit the size of bodies in the server. Threads can share a verifier. There is no nonce:
a captured request can be replayed for 15 minutes, so keep TLS between gateway and
backend.
"""

import base64
import calendar
import hashlib
import hmac
import io
import os
import re
import time
from datetime import datetime

PUBLIC_TEXT = "invalid request signature"
WINDOW = 15 * 60  # seconds between date and clock, in either direction
REREAD = 5  # minimum seconds between two reads of a directory

SCHEMES = {"SDK-HMAC-SHA256", "SIGNET-AES-128-CFB", "SIGNET-AES-256-CFB",
           "SIGNET-ECDSA-P256-SHA256", "SIGNET-RSA-SHA256"}
AES_SCHEMES = {"aes-128-cfb": ("SIGNET-AES-128-CFB", 16),
               "aes-256-cfb": ("SIGNET-AES-256-CFB", 32)}
FIELDS = re.compile(r"Access=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(.+)", re.DOTALL)
NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
METHOD = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")
DIGEST = re.compile(r"[0-9a-f]{64}")
UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
SPACE = " \t"  # the white space of HTTP
LOWER = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}


class Refusal(Exception):
    """A refused request. The reason is only for the log, never for the client."""

    def __init__(self, reason):
        super().__init__(PUBLIC_TEXT)
        self.reason = reason


class Key:
    """A version of a signature key; it is accepted until the time in until."""

    def __init__(self, kind, algorithm, key_id, key, secret, until):
        self.key_id, self.until = key_id.decode("ascii"), until
        self.access, self.scheme, self.credential = self.key_id, None, None
        if kind not in (b"HMAC", b"Basic", b"AES", b"PublicKey"):
            raise ValueError("type: unknown")
        plain("key", key)
        if kind != b"PublicKey":
            plain("secret", secret)
        if kind in (b"AES", b"PublicKey"):
            plain("key-id", key_id)
        if kind == b"HMAC":
            self.access, self.scheme = key.decode("ascii"), "SDK-HMAC-SHA256"
            self.matches = lambda text, signature: equal(hmac_of(secret, text).hex(), signature)
        elif kind == b"Basic":
            self.credential = hashlib.sha256(key + b":" + secret).digest()
        elif kind == b"AES":
            self.scheme, self.matches = aes(algorithm.decode("ascii"), key, secret)
        else:
            self.scheme, self.matches = public_key(key)


def plain(component, value):
    """Trailing white space is a common mistake in files written by hand."""
    if not value or any(byte <= 0x20 or byte >= 0x7F for byte in value):
        raise ValueError(component + ": missing, or contains a character that is not visible ASCII")


def aes(algorithm, key, vector):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    scheme, length = AES_SCHEMES[algorithm]
    if len(key) != length or len(vector) != 16:
        raise ValueError("key or secret: invalid length")

    def matches(text, signature):
        # CFB of two blocks, by hand: the package is about to move CFB out of its stable part.
        block, mac = Cipher(algorithms.AES(key), modes.ECB()).encryptor(), hmac_of(key + vector, text)
        first = xor(mac[:16], block.update(vector))
        return equal((first + xor(mac[16:], block.update(first))).hex(), signature)
    return scheme, matches


def public_key(key):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    public = serialization.load_der_public_key(base64.b64decode(key, validate=True))
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp256r1":
        scheme, how = "SIGNET-ECDSA-P256-SHA256", (ec.ECDSA(hashes.SHA256()),)
    elif isinstance(public, rsa.RSAPublicKey) and public.key_size >= 2048:
        scheme, how = "SIGNET-RSA-SHA256", (padding.PKCS1v15(), hashes.SHA256())
    else:
        raise ValueError("key: must be ECDSA P-256, or RSA from 2048 bits")

    def matches(text, signature):
        decoded = strict_base64(signature)
        try:
            return decoded is not None and public.verify(decoded, text, *how) is None
        except InvalidSignature:
            return False
    return scheme, matches


def load_keys(directory):
    """Reads a mounted Secret, or the ConfigMap with public components: active, next
    and previous. The kubelet replaces all files at once by renaming ..data, which can
    be in the directory or, for a projected path, above it."""
    place = place_of(directory)

    def read(name):
        try:
            with open(os.path.join(place[0], name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    keys = []
    for prefix in ("", "next.", "previous."):
        key_id, key, secret = (read(prefix + name) for name in ("key-id", "key", "secret"))
        if prefix and not (key_id or key or secret):
            continue
        retires = read("previous.retires").decode("ascii") if prefix == "previous." else ""
        # This clock may be ahead of Signet's.
        until = datetime.fromisoformat(retires.replace("Z", "+00:00")).timestamp() + WINDOW if retires else None
        keys.append(Key(read("type"), read("algorithm"), key_id, key, secret, until))
    if place_of(directory) != place:
        raise OSError("the directory changed while it was read")
    return keys


def place_of(directory):
    """Returns the directory that the files are in, and what tells it from another one."""
    link = os.path.join(directory, "..data")
    path = os.path.realpath(link if os.path.lexists(link) else directory)
    status = os.stat(path)
    return path, status.st_dev, status.st_ino, status.st_mtime_ns


class Verifier:
    """Accepts the keys in the directories. header carries the signature;
    allow_unsigned_payload is for bindings with `payload: Unsigned`;
    required_headers must be signed if a request has them."""

    def __init__(self, directories, header="authorization", allow_unsigned_payload=False,
                 required_headers=(), clock=time.time):
        self.header, self.clock = lowered(header), clock
        self.allow_unsigned_payload = allow_unsigned_payload
        self.required = [lowered(name) for name in required_headers]
        self.keys = {directory: load_keys(directory) for directory in directories}
        self.read_at = clock()

    def accepted(self, now):
        """A directory that cannot be read keeps its last keys."""
        if abs(now - self.read_at) >= REREAD:
            self.read_at = now
            for directory in self.keys:
                try:
                    self.keys[directory] = load_keys(directory)
                except (OSError, ValueError, KeyError):
                    pass
        return [key for keys in self.keys.values() for key in keys
                if key.until is None or now <= key.until]

    def verify(self, method, target, headers, body):
        """Returns the ID of the key that signed the request, or raises Refusal. All that it
        does before it compares signatures takes time in proportion to the request."""
        now = self.clock()
        check_bytes([target, *(text for pair in headers for text in pair)])
        headers = by_name(headers)
        carried = single(headers, self.header, "no signature")
        keys = self.accepted(now)
        scheme, space, rest = carried.partition(" ")
        if space and lowered(scheme) == "basic":
            return verify_basic(rest, keys)
        if not METHOD.fullmatch(method):
            raise Refusal("the method is not a token")
        access, names, signature = parse(scheme, space, rest)
        self.check_names(headers, names)
        date = check_date(headers, now)
        candidates = [key for key in keys if key.scheme == scheme and key.access == access]
        if not candidates:
            raise Refusal("no accepted key has this algorithm and ID")
        payload = self.payload(headers, names, body)
        for query in canonical_queries(target):
            request = "\n".join([method, canonical_path(target), query,
                                 canonical_headers(headers, names), ";".join(names), payload])
            digest = hashlib.sha256(request.encode("latin-1")).hexdigest()
            text = "\n".join([scheme, date, digest]).encode("latin-1")
            for key in candidates:
                if key.matches(text, signature):
                    return key.key_id
        raise Refusal("the signature does not match")

    def check_names(self, headers, names):
        for name in ("x-sdk-date", "host"):
            if name not in names:
                raise Refusal("a required header is not signed")
        if "authorization" in names or self.header in names:
            raise Refusal("the list of signed headers is malformed")
        for name in self.required:
            if name not in names and values(headers, name):
                raise Refusal("a required header is not signed")

    def payload(self, headers, names, body):
        """The header counts only if it is signed and matches the body."""
        actual = hashlib.sha256(body).hexdigest()
        if len(values(headers, "x-sdk-content-sha256")) > 1:
            raise Refusal("duplicate header")
        if "x-sdk-content-sha256" not in names:
            return actual
        claimed = single(headers, "x-sdk-content-sha256", "a signed header is missing")
        if claimed == "UNSIGNED-PAYLOAD":
            if not self.allow_unsigned_payload:
                raise Refusal("the body is not signed")
            return claimed
        if not DIGEST.fullmatch(claimed):
            raise Refusal("the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD")
        if not equal(claimed, actual):
            raise Refusal("the body does not match the signed digest")
        return claimed


def wsgi_request(environ):
    """Returns method, target, headers and body of a WSGI request, whose body the
    application can still read."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not target:
        raise Refusal("the server passes neither RAW_URI nor REQUEST_URI")
    if environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read()
    elif "HTTP_TRANSFER_ENCODING" in environ:
        raise Refusal("the server passes no body without a length")
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    headers = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    headers += [(name.replace("_", "-"), environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
    return environ["REQUEST_METHOD"], target, headers, body


def check_bytes(texts):
    """Servers map each byte to one character. Other characters would be ambiguous."""
    if any(ord(character) > 0xFF for text in texts for character in text):
        raise Refusal("the request contains characters that are not bytes")


def parse(scheme, space, rest):
    if not space:
        raise Refusal("the signature header is malformed")
    if scheme not in SCHEMES:
        raise Refusal("unknown algorithm")
    fields = FIELDS.fullmatch(rest)
    if not fields:
        raise Refusal("the signature header is malformed")
    names = fields[2].split(";")
    ascending = all(a < b for a, b in zip(names, names[1:]))
    if not ascending or len(names) > 128 or not all(NAME.fullmatch(name) for name in names):
        raise Refusal("the list of signed headers is malformed")
    return fields[1], names, fields[3]


def check_date(headers, now):
    date = single(headers, "x-sdk-date", "a signed header is missing")
    try:
        if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", date):
            raise ValueError
        seconds = calendar.timegm(datetime.strptime(date, "%Y%m%dT%H%M%SZ").timetuple())
    except ValueError:
        raise Refusal("the date is malformed") from None
    if abs(now - seconds) > WINDOW:
        raise Refusal("the date is outside the window")
    return date


def verify_basic(credential, keys):
    """Compares with every key, so that the time does not reveal which one matches."""
    pair = strict_base64(credential)
    if pair is None:
        raise Refusal("the signature header is malformed")
    digest, candidates = hashlib.sha256(pair).digest(), [key for key in keys if key.credential]
    matching = [key for key in candidates if hmac.compare_digest(digest, key.credential)]
    if not candidates:
        raise Refusal("no accepted key has this algorithm and ID")
    if not matching:
        raise Refusal("the signature does not match")
    return matching[0].key_id


def canonical_path(target):
    path = target.partition("?")[0]
    if not path.startswith("/"):
        if path:
            raise Refusal("the target is not a well-formed path and query")
        return "/"
    # An escaped slash becomes a separator; dots and empty segments stay.
    path = escape(unescape(path), keep=b"/")
    return path if path.endswith("/") else path + "/"


def canonical_queries(target):
    """Returns the query in both orders that signers sort by: decoded and encoded."""
    pairs = []
    for pair in target.partition("?")[2].split("&"):
        if pair:
            name, _, value = pair.partition("=")
            pairs.append((unescape(name, plus=" "), unescape(value, plus=" ")))
    decoded = [(escape(name), escape(value)) for name, value in sorted(pairs)]
    return ["&".join(name + "=" + value for name, value in order) for order in (decoded, sorted(decoded))]


def canonical_headers(headers, names):
    lines = []
    for name in names:
        found = sorted(value.strip(SPACE) for value in values(headers, name))
        if name == "host" and (len(found) != 1 or not re.fullmatch(r"[!-~]+", found[0]) or re.search("[/@?#]", found[0])):
            raise Refusal("the host is missing or malformed")
        if not found:
            raise Refusal("a signed header is missing")
        for value in found:
            if re.search(r"[\r\n\0]", value):
                raise Refusal("the header value contains a line break or NUL")
            lines.append(name + ":" + value + "\n")
    return "".join(lines)


def unescape(text, plus="+"):
    """Refuses broken escapes, which two parties could read in two ways."""
    if re.search(r"[\0-\x20\x7f#]", text) or re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise Refusal("the target is not a well-formed path and query")
    return re.sub(rb"%(..)", lambda match: bytes([int(match[1], 16)]), text.replace("+", plus).encode("latin-1"))


def escape(data, keep=b""):
    kept = UNRESERVED + keep
    return "".join(chr(byte) if byte in kept else "%%%02X" % byte for byte in data)


def by_name(pairs):
    """Maps each name, in lower case, to the values of the header."""
    headers = {}
    for name, value in pairs:
        headers.setdefault(lowered(name), []).append(value)
    return headers


def values(headers, name):
    return headers.get(name, [])


def lowered(text):
    """For ASCII alone, as HTTP is: there are other letters whose lower case is in ASCII."""
    return text.translate(LOWER)


def single(headers, name, missing):
    """Refuses repeated headers, of which two parties could read different values."""
    found = values(headers, name)
    if len(found) > 1:
        raise Refusal("duplicate header")
    if not found or not found[0]:
        raise Refusal(missing)
    return found[0]


def hmac_of(secret, text):
    return hmac.new(secret, text, hashlib.sha256).digest()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def equal(a, b):
    return hmac.compare_digest(a.encode("latin-1"), b.encode("latin-1"))


def strict_base64(text):
    """Returns None unless an encoder writes exactly this text: a signature has one form."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None
