<?php
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies requests that a gateway signed with a Signet signature key: types
 * HMAC, Basic, AES and PublicKey. Copy this file into your backend. It needs only
 * PHP 8.2 or later with the extension openssl. Signet's tests run this file, and the
 * example under PHP's own server, and under php-fpm behind nginx:
 *
 *     $verifier = new Signet\Verifier(['/etc/signet/orders'],  // the mounted Secret
 *         allowUnsignedPayload: true);                         // bindings with payload: Unsigned, the default
 *     try {
 *         $body = file_get_contents('php://input');
 *         $keyId = $verifier->verify($_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'],
 *             Signet\pairs(getallheaders()), $body);
 *     } catch (Signet\Refusal $refusal) {
 *         error_log($refusal->reason);        // only for the log
 *         http_response_code(401);
 *         exit(Signet\PUBLIC_TEXT);
 *     }
 *
 * With payload: Signed, omit allowUnsignedPayload, and set enable_post_data_reading = Off
 * in php.ini or in the pool of php-fpm: otherwise PHP reads forms of type
 * multipart/form-data itself, php://input is empty, and the request is refused. $_POST
 * and $_FILES are then empty (PHP 8.4 has request_parse_body). The target is path and
 * query as they arrived, still escaped. Debian's fastcgi_params pass the host without its
 * port: add `fastcgi_param HTTP_HOST $http_host;` after them in nginx.
 *
 * PHP joins or drops repeated headers before code can see them: a request that repeats a
 * signed header is refused. Limit the size of bodies in the web server. There is no
 * nonce: a captured request can be replayed for 15 minutes, so keep TLS between gateway
 * and backend.
 */

declare(strict_types=1);

namespace Signet;

const PUBLIC_TEXT = "invalid request signature";
const WINDOW = 15 * 60; // seconds between date and clock, in either direction
const REREAD = 5; // minimum seconds between two reads of a directory

const SCHEMES = ['SDK-HMAC-SHA256', 'SIGNET-AES-128-CFB', 'SIGNET-AES-256-CFB', 'SIGNET-ECDSA-P256-SHA256', 'SIGNET-RSA-SHA256'];
const AES_KEY_LENGTHS = ['aes-128-cfb' => 16, 'aes-256-cfb' => 32];
const TOKEN = "!#$%&'*+.^_`|~-";

/** A refused request. The reason is only for the log, never for the client. */
final class Refusal extends \Exception
{
    public function __construct(public readonly string $reason)
    {
        parent::__construct(PUBLIC_TEXT);
    }
}

/** A version of a signature key. */
final class Key
{
    public string $access;
    public ?string $scheme = null;
    /** The hash of a Basic key's credential. */
    public ?string $credential = null;
    /** @var \Closure(string, string): bool whether the text has that signature */
    public ?\Closure $matches = null;

    public function __construct(
        string $type,
        string $algorithm,
        public readonly string $id,
        string $key,
        #[\SensitiveParameter] string $secret,
        public readonly ?int $until,
    ) {
        $this->access = $id;
        self::plain('key', $key);
        if ($type !== 'PublicKey') {
            self::plain('secret', $secret);
        }
        if ($type === 'AES' || $type === 'PublicKey') {
            self::plain('key-id', $id);
        }
        match ($type) {
            'HMAC' => $this->hmac($key, $secret),
            'Basic' => $this->credential = hash('sha256', "$key:$secret"),
            'AES' => $this->aes($algorithm, $key, $secret),
            'PublicKey' => $this->publicKey($key),
            default => throw new \RuntimeException('type: unknown'),
        };
    }

    /** Trailing white space is a common mistake in files written by hand. */
    private static function plain(string $component, string $value): void
    {
        if (!preg_match('/^[!-~]+$/D', $value)) {
            throw new \RuntimeException("$component: missing, or contains a character that is not visible ASCII");
        }
    }

    private function hmac(string $key, string $secret): void
    {
        $this->access = $key;
        $this->scheme = 'SDK-HMAC-SHA256';
        $this->matches = fn (string $text, string $signature): bool =>
            hash_equals(hash_hmac('sha256', $text, $secret), $signature);
    }

    private function aes(string $algorithm, string $key, string $vector): void
    {
        if (strlen($key) !== (AES_KEY_LENGTHS[$algorithm] ?? null) || strlen($vector) !== 16) {
            throw new \RuntimeException('algorithm, key or secret: invalid value or length');
        }
        $this->scheme = 'SIGNET-' . strtoupper($algorithm);
        $this->matches = function (string $text, string $signature) use ($algorithm, $key, $vector): bool {
            $mac = hash_hmac('sha256', $text, $key . $vector, true);
            $encrypted = openssl_encrypt($mac, $algorithm, $key, OPENSSL_RAW_DATA, $vector);
            return is_string($encrypted) && hash_equals(bin2hex($encrypted), $signature);
        };
    }

    private function publicKey(string $component): void
    {
        $public = openssl_pkey_get_public("-----BEGIN PUBLIC KEY-----\n" . chunk_split($component, 64, "\n") . "-----END PUBLIC KEY-----\n");
        $details = $public ? openssl_pkey_get_details($public) : [];
        $this->scheme = match (true) {
            ($details['ec']['curve_name'] ?? '') === 'prime256v1' => 'SIGNET-ECDSA-P256-SHA256',
            isset($details['rsa']) && $details['bits'] >= 2048 => 'SIGNET-RSA-SHA256',
            default => throw new \RuntimeException('key: must be ECDSA P-256, or RSA from 2048 bits'),
        };
        $this->matches = function (string $text, string $signature) use ($public): bool {
            $decoded = strictBase64($signature);
            return $decoded !== null && openssl_verify($text, $decoded, $public, OPENSSL_ALGO_SHA256) === 1;
        };
    }
}

final class Verifier
{
    /** @var array<string, list<Key>> */
    private array $keys = [];
    private int $readAt;
    private string $header;
    /** @var list<string> */
    private array $required;
    /** @var \Closure(): int */
    private \Closure $clock;

    /**
     * @param list<string> $directories from which keys are accepted
     * @param string $header carries the signature
     * @param bool $allowUnsignedPayload is for bindings with `payload: Unsigned`
     * @param list<string> $requiredHeaders must be signed if a request has them
     */
    public function __construct(
        array $directories,
        string $header = 'authorization',
        private readonly bool $allowUnsignedPayload = false,
        array $requiredHeaders = [],
        ?\Closure $clock = null,
    ) {
        $this->header = strtolower($header);
        $this->required = array_map('strtolower', $requiredHeaders);
        $this->clock = $clock ?? time(...);
        foreach ($directories as $directory) {
            $this->keys[$directory] = loadKeys($directory);
        }
        $this->readAt = ($this->clock)();
    }

    /**
     * Returns the ID of the key that signed the request. All that it does before it
     * compares signatures takes time in proportion to the request.
     *
     * @param list<array{string, string}> $headers names and values
     * @throws Refusal
     */
    public function verify(string $method, string $target, array $headers, string $body): string
    {
        $now = ($this->clock)();
        $headers = byName($headers);
        $carried = single($headers, $this->header, 'no signature');
        $keys = $this->accepted($now);
        [$scheme, $rest] = explode(' ', $carried, 2) + [1 => null];
        if ($rest !== null && strtolower($scheme) === 'basic') {
            return verifyBasic($rest, $keys);
        }
        if (!preg_match('/^[A-Z0-9' . preg_quote(TOKEN, '/') . ']+$/D', $method)) {
            throw new Refusal('the method is not a token');
        }
        [$access, $names, $signature] = parse($scheme, $rest);
        $this->checkNames($headers, $names);
        $date = checkDate($headers, $now);
        $candidates = array_filter($keys, fn (Key $key) => $key->scheme === $scheme && $key->access === $access);
        if (!$candidates) {
            throw new Refusal('no accepted key has this algorithm and ID');
        }
        $payload = $this->payload($headers, $names, $body);
        foreach (canonicalQueries($target) as $query) {
            $request = implode("\n", [$method, canonicalPath($target), $query, canonicalHeaders($headers, $names), implode(';', $names), $payload]);
            $text = implode("\n", [$scheme, $date, hash('sha256', $request)]);
            foreach ($candidates as $key) {
                if (($key->matches)($text, $signature)) {
                    return $key->id;
                }
            }
        }
        throw new Refusal('the signature does not match');
    }

    /**
     * A directory that cannot be read keeps its last keys.
     *
     * @return list<Key>
     */
    private function accepted(int $now): array
    {
        if (abs($now - $this->readAt) >= REREAD) {
            $this->readAt = $now;
            foreach (array_keys($this->keys) as $directory) {
                try {
                    $this->keys[$directory] = loadKeys((string) $directory);
                } catch (\Exception) {
                    continue;
                }
            }
        }
        $all = array_merge(...array_values($this->keys));
        return array_values(array_filter($all, fn (Key $key) => $key->until === null || $now <= $key->until));
    }

    private function checkNames(array $headers, array $names): void
    {
        foreach (['x-sdk-date', 'host'] as $name) {
            if (!in_array($name, $names, true)) {
                throw new Refusal('a required header is not signed');
            }
        }
        if (in_array('authorization', $names, true) || in_array($this->header, $names, true)) {
            throw new Refusal('the list of signed headers is malformed');
        }
        foreach ($this->required as $name) {
            if (!in_array($name, $names, true) && values($headers, $name)) {
                throw new Refusal('a required header is not signed');
            }
        }
    }

    /** The header counts only if it is signed and matches the body. */
    private function payload(array $headers, array $names, string $body): string
    {
        $actual = hash('sha256', $body);
        if (count(values($headers, 'x-sdk-content-sha256')) > 1) {
            throw new Refusal('duplicate header');
        }
        if (!in_array('x-sdk-content-sha256', $names, true)) {
            return $actual;
        }
        $claimed = single($headers, 'x-sdk-content-sha256', 'a signed header is missing');
        if ($claimed === 'UNSIGNED-PAYLOAD') {
            return $this->allowUnsignedPayload ? $claimed : throw new Refusal('the body is not signed');
        }
        if (!preg_match('/^[0-9a-f]{64}$/D', $claimed)) {
            throw new Refusal('the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD');
        }
        return hash_equals($actual, $claimed) ? $claimed : throw new Refusal('the body does not match the signed digest');
    }
}

/**
 * Makes pairs of what getallheaders() returns.
 *
 * @return list<array{string, string}>
 */
function pairs(array $headers): array
{
    return array_map(fn ($name, $value) => [(string) $name, (string) $value], array_keys($headers), $headers);
}

/**
 * Reads a mounted Secret, or the ConfigMap with public components: active, next and
 * previous. The kubelet replaces all files at once by renaming ..data, which can be in
 * the directory or, for a projected path, above it.
 *
 * @return list<Key>
 */
function loadKeys(string $directory): array
{
    [$at] = $place = placeOfFiles($directory);
    $read = fn (string $name): string => is_file("$at/$name") ? (string) file_get_contents("$at/$name") : '';
    $keys = [];
    foreach (['', 'next.', 'previous.'] as $prefix) {
        [$id, $key, $secret] = array_map(fn ($name) => $read($prefix . $name), ['key-id', 'key', 'secret']);
        if ($prefix !== '' && $id . $key . $secret === '') {
            continue;
        }
        $retires = $prefix === 'previous.' ? $read('previous.retires') : '';
        $until = $retires === '' ? null : (new \DateTimeImmutable($retires))->getTimestamp() + WINDOW; // this clock may be ahead of Signet's
        $keys[] = new Key($read('type'), $read('algorithm'), $id, $key, $secret, $until);
    }
    if (placeOfFiles($directory) !== $place) {
        throw new \RuntimeException('the directory has changed meanwhile');
    }
    return $keys;
}

/**
 * Returns the directory that the files are in, and what tells it from another one.
 *
 * @return array{string, int, int, int}
 */
function placeOfFiles(string $directory): array
{
    clearstatcache(true); // It caches the targets of links.
    $link = "$directory/..data";
    $path = realpath(is_link($link) || is_dir($link) ? $link : $directory);
    $status = $path === false ? false : stat($path);
    if ($status === false) {
        throw new \RuntimeException("$directory: there is no such directory");
    }
    return [$path, $status['dev'], $status['ino'], $status['mtime']];
}

/** @return array{string, list<string>, string} access, signed headers, signature */
function parse(string $scheme, ?string $rest): array
{
    if ($rest === null) {
        throw new Refusal("the signature header is malformed");
    }
    if (!in_array($scheme, SCHEMES, true)) {
        throw new Refusal('unknown algorithm');
    }
    if (!preg_match('/^Access=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(.+)$/Ds', $rest, $fields)) {
        throw new Refusal("the signature header is malformed");
    }
    $names = explode(';', $fields[2]);
    $before = '';
    foreach ($names as $name) {
        if (strcmp($before, $name) >= 0 || !preg_match('/^[a-z0-9' . preg_quote(TOKEN, '/') . ']+$/D', $name) || count($names) > 128) {
            throw new Refusal('the list of signed headers is malformed');
        }
        $before = $name;
    }
    return [$fields[1], $names, $fields[3]];
}

function checkDate(array $headers, int $now): string
{
    $date = single($headers, 'x-sdk-date', 'a signed header is missing');
    $at = \DateTimeImmutable::createFromFormat('!Ymd\THis\Z', $date, new \DateTimeZone('UTC'));
    // Invalid days are normalized to other days.
    if (!preg_match('/^\d{8}T\d{6}Z$/D', $date) || !$at || $at->format('Ymd\THis\Z') !== $date) {
        throw new Refusal('the date is malformed');
    }
    if (abs($now - $at->getTimestamp()) > WINDOW) {
        throw new Refusal('the date is outside the window');
    }
    return $date;
}

/**
 * Compares with every key, so that the time does not reveal which one matches.
 *
 * @param list<Key> $keys
 */
function verifyBasic(string $credential, array $keys): string
{
    $pair = strictBase64($credential) ?? throw new Refusal("the signature header is malformed");
    $candidates = array_filter($keys, fn (Key $key) => $key->credential !== null);
    if (!$candidates) {
        throw new Refusal('no accepted key has this algorithm and ID');
    }
    $matching = array_filter($candidates, fn (Key $key) => hash_equals($key->credential, hash('sha256', $pair)));
    return $matching ? reset($matching)->id : throw new Refusal('the signature does not match');
}

function canonicalPath(string $target): string
{
    $path = explode('?', $target, 2)[0];
    if ($path === '') {
        return '/';
    }
    if ($path[0] !== '/') {
        throw new Refusal('the target is not a well-formed path and query');
    }
    // An escaped slash becomes a separator; dots and empty segments stay.
    $encoded = str_replace('%2F', '/', rawurlencode(unescape($path)));
    return str_ends_with($encoded, '/') ? $encoded : "$encoded/";
}

/**
 * Returns the query in both orders that signers sort by: decoded and encoded.
 *
 * @return list<string>
 */
function canonicalQueries(string $target): array
{
    $decoded = [];
    foreach (explode('&', explode('?', $target, 2)[1] ?? '') as $pair) {
        if ($pair !== '') {
            [$name, $value] = explode('=', $pair, 2) + [1 => ''];
            $decoded[] = [unescape($name, ' '), unescape($value, ' ')];
        }
    }
    // Do not compare strings that look like numbers as numbers.
    $byPair = fn (array $a, array $b): int => strcmp($a[0], $b[0]) ?: strcmp($a[1], $b[1]);
    $text = fn (array $pairs): string => implode('&', array_map(fn (array $pair) => implode('=', $pair), $pairs));
    $encoded = array_map(fn (array $pair) => array_map('rawurlencode', $pair), sorted($decoded, $byPair));
    return [$text($encoded), $text(sorted($encoded, $byPair))];
}

function canonicalHeaders(array $headers, array $names): string
{
    $lines = '';
    foreach ($names as $name) {
        $found = array_map(fn (string $value) => trim($value, " \t"), values($headers, $name));
        if ($name === 'host' && (count($found) !== 1 || !preg_match('/^[!-~]+$/D', $found[0]) || preg_match('#[/@?\#]#', $found[0]))) {
            throw new Refusal('the host is missing or malformed');
        }
        if (!$found) {
            throw new Refusal('a signed header is missing');
        }
        foreach (sorted($found, strcmp(...)) as $value) {
            if (preg_match('/[\r\n\0]/', $value)) {
                throw new Refusal("the header value contains a line break or NUL");
            }
            $lines .= "$name:$value\n";
        }
    }
    return $lines;
}

/** Refuses broken escapes, which two parties could read in two ways. */
function unescape(string $text, string $plus = '+'): string
{
    if (preg_match('/[\x00-\x20\x7f#]|%(?![0-9A-Fa-f]{2})/', $text)) {
        throw new Refusal('the target is not a well-formed path and query');
    }
    return rawurldecode(str_replace('+', $plus, $text));
}

/**
 * Maps each name to the values of the header.
 *
 * @param list<array{string, string}> $pairs
 * @return array<string, list<string>>
 */
function byName(array $pairs): array
{
    $headers = [];
    foreach ($pairs as [$name, $value]) {
        $headers[placeOf(strtolower($name))][] = $value;
    }
    return $headers;
}

/** Returns the key of a name in an array. PHP's own hash has no secret, so a client could choose names that collide. */
function placeOf(string $name): string
{
    static $salt = null;
    return hash_hmac('sha256', $name, $salt ??= random_bytes(16), true);
}

/** @return list<string> */
function values(array $headers, string $name): array
{
    return $headers[placeOf($name)] ?? [];
}

/** Sorts with PHP's quicksort, for which a client could choose an order that takes quadratic time. */
function sorted(array $list, \Closure $compare): array
{
    shuffle($list);
    usort($list, $compare);
    return $list;
}

/** Refuses repeated headers, of which two parties could read different values. */
function single(array $headers, string $name, string $missing): string
{
    $found = values($headers, $name);
    if (count($found) > 1) {
        throw new Refusal('duplicate header');
    }
    return ($found[0] ?? '') !== '' ? $found[0] : throw new Refusal($missing);
}

/** Returns null unless an encoder writes exactly this text: a signature has one form. */
function strictBase64(string $text): ?string
{
    $decoded = base64_decode($text, true);
    return $decoded !== false && base64_encode($decoded) === $text ? $decoded : null;
}
