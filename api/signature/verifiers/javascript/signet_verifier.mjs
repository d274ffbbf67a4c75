// SPDX-License-Identifier: Apache-2.0

// Verifies requests that a gateway signed with a Signet signature key: types
// HMAC, Basic, AES and PublicKey. Copy this file into your backend. It needs only
// Node.js 18 or later. Signet's tests run this file, and the example under node:http,
// node:http2 and Express (before express.json and other readers of the body):
//
//   const verifier = new Verifier(['/etc/signet/orders'],   // the mounted Secret
//     { allowUnsignedPayload: true })                        // bindings with payload: Unsigned, the default
//
//   async function verified (req, res, next) {
//     try {
//       const parts = []
//       for await (const part of req) parts.push(part)
//       req.body = Buffer.concat(parts)
//       req.keyID = verifier.verify(req.method, req.originalUrl ?? req.url, pairs(req.rawHeaders), req.body)
//     } catch (refusal) {                          // refuse in any case
//       console.warn(refusal.reason ?? refusal)    // only for the log
//       return res.writeHead(401).end(PUBLIC_TEXT)
//     }
//     next()
//   }
//
// With payload: Signed, omit allowUnsignedPayload. The target is path and query as they
// arrived, still escaped. The body is a Buffer: limit its size while you read it.
//
// There is no nonce: a captured request can be replayed for 15 minutes, so keep TLS
// between gateway and backend.
import { createCipheriv, createHash, createHmac, createPublicKey, timingSafeEqual, verify as verifySignature } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const PUBLIC_TEXT = "invalid request signature"
const WINDOW = 15 * 60 // seconds between date and clock, in either direction
const REREAD = 5 // minimum seconds between two reads of a directory

const SCHEMES = ['SDK-HMAC-SHA256', 'SIGNET-AES-128-CFB', 'SIGNET-AES-256-CFB', 'SIGNET-ECDSA-P256-SHA256', 'SIGNET-RSA-SHA256']
const FIELDS = /^Access=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(.+)$/s
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/
const METHOD = /^[A-Z0-9!#$%&'*+.^_`|~-]+$/

// Refusal is a refused request. Its reason is only for the log, never for the
// client.
export class Refusal extends Error {
  constructor (reason) {
    super(PUBLIC_TEXT)
    this.reason = reason
  }
}

// pairs makes [name, value] pairs of Node's rawHeaders, which keep repeated headers.
// In HTTP/2, the host is in :authority; a Host that differs from it is a second one.
export function pairs (rawHeaders) {
  const all = rawHeaders.flatMap((name, i) => i % 2 ? [] : [[name, rawHeaders[i + 1]]])
  const authority = all.find(([name]) => name === ':authority')
  const others = all.filter(([name, value]) => !name.startsWith(':') && !(authority && lowered(name) === 'host' && value === authority[1]))
  return authority ? [['host', authority[1]], ...others] : others
}

// Verifier accepts the keys in the directories. header carries the signature;
// allowUnsignedPayload is for bindings with `payload: Unsigned`;
// requiredHeaders must be signed if a request has them.
export class Verifier {
  constructor (directories, { header = 'authorization', allowUnsignedPayload = false, requiredHeaders = [], clock = () => Date.now() / 1000 } = {}) {
    this.header = lowered(header)
    this.allowUnsignedPayload = allowUnsignedPayload
    this.required = requiredHeaders.map(lowered)
    this.clock = clock
    this.keys = new Map(directories.map(directory => [directory, loadKeys(directory)]))
    this.readAt = clock()
  }

  // verify returns the ID of the key that signed the request, or throws Refusal. All
  // that it does before it compares signatures takes time in proportion to the request.
  verify (method, target, pairs, body) {
    const now = this.clock()
    // Node maps each byte to one character. Other characters would be ambiguous.
    if (/[^\0-\xff]/.test(target + pairs.flat().join(''))) throw new Refusal('the request contains characters that are not bytes')
    const headers = byName(pairs)
    const carried = single(headers, this.header, 'no signature')
    const keys = this.#accepted(now)
    const space = carried.indexOf(' ')
    const [scheme, rest] = [carried.slice(0, space), carried.slice(space + 1)]
    if (space >= 0 && lowered(scheme) === 'basic') return verifyBasic(rest, keys)
    if (!METHOD.test(method)) throw new Refusal('the method is not a token')
    if (space < 0) throw new Refusal("the signature header is malformed")
    const { access, names, signature } = parse(scheme, rest)
    this.#checkNames(headers, names)
    const date = checkDate(headers, now)
    const candidates = keys.filter(key => key.scheme === scheme && key.access === access)
    if (candidates.length === 0) throw new Refusal('no accepted key has this algorithm and ID')
    const payload = this.#payload(headers, names, body)
    for (const query of canonicalQueries(target)) {
      const request = [method, canonicalPath(target), query, canonicalHeaders(headers, names), names.join(';'), payload].join('\n')
      const text = bytes([scheme, date, sha256(bytes(request)).toString('hex')].join('\n'))
      const key = candidates.find(key => key.matches(text, signature))
      if (key) return key.keyID
    }
    throw new Refusal('the signature does not match')
  }

  // A directory that cannot be read keeps its last keys.
  #accepted (now) {
    if (Math.abs(now - this.readAt) >= REREAD) {
      this.readAt = now
      for (const directory of this.keys.keys()) {
        try {
          this.keys.set(directory, loadKeys(directory))
        } catch {}
      }
    }
    return [...this.keys.values()].flat().filter(key => key.until === undefined || now <= key.until)
  }

  #checkNames (headers, names) {
    for (const name of ['x-sdk-date', 'host']) {
      if (!names.includes(name)) throw new Refusal('a required header is not signed')
    }
    if (names.includes('authorization') || names.includes(this.header)) {
      throw new Refusal('the list of signed headers is malformed')
    }
    if (this.required.some(name => !names.includes(name) && values(headers, name).length > 0)) {
      throw new Refusal('a required header is not signed')
    }
  }

  // The header counts only if it is signed and matches the body.
  #payload (headers, names, body) {
    const actual = sha256(body).toString('hex')
    if (values(headers, 'x-sdk-content-sha256').length > 1) throw new Refusal('duplicate header')
    if (!names.includes('x-sdk-content-sha256')) return actual
    const claimed = single(headers, 'x-sdk-content-sha256', 'a signed header is missing')
    if (claimed === 'UNSIGNED-PAYLOAD') {
      if (!this.allowUnsignedPayload) throw new Refusal('the body is not signed')
      return claimed
    }
    if (!/^[0-9a-f]{64}$/.test(claimed)) throw new Refusal('the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD')
    if (!equal(claimed, actual)) throw new Refusal('the body does not match the signed digest')
    return claimed
  }
}

// placeOf returns the directory that the files are in, and what tells it from another
// one.
function placeOf (directory) {
  const link = join(directory, '..data')
  const path = realpathSync(existsSync(link) ? link : directory)
  const { dev, ino, mtimeNs } = statSync(path, { bigint: true })
  return { path, identity: [path, dev, ino, mtimeNs].join() }
}

// loadKeys reads a mounted Secret, or the ConfigMap with public components: active,
// next and previous. The kubelet replaces all files at once by renaming ..data, which
// can be in the directory or, for a projected path, above it.
export function loadKeys (directory) {
  const { path: place, identity } = placeOf(directory)
  const read = name => existsSync(join(place, name)) ? readFileSync(join(place, name)) : Buffer.alloc(0)
  const keys = []
  for (const prefix of ['', 'next.', 'previous.']) {
    const [id, key, secret] = ['key-id', 'key', 'secret'].map(name => read(prefix + name))
    if (prefix && id.length + key.length + secret.length === 0) continue
    const made = makeKey(read('type').toString(), read('algorithm').toString(), id, key, secret)
    const retires = prefix === 'previous.' ? read('previous.retires').toString() : ''
    if (retires) made.until = Date.parse(retires) / 1000 + WINDOW // this clock may be ahead of Signet's
    if (Number.isNaN(made.until)) throw new Error('previous.retires: no RFC 3339 time')
    keys.push(made)
  }
  if (placeOf(directory).identity !== identity) throw new Error('the directory has changed meanwhile')
  return keys
}

function makeKey (type, algorithm, id, key, secret) {
  const keyID = id.toString('latin1')
  plain('key', key)
  if (type !== 'PublicKey') plain('secret', secret)
  if (type === 'AES' || type === 'PublicKey') plain('key-id', id)
  switch (type) {
    case 'HMAC':
      return {
        keyID, access: key.toString('latin1'), scheme: 'SDK-HMAC-SHA256',
        matches: (text, signature) => equal(hmac(secret, text).toString('hex'), signature)
      }
    case 'Basic':
      return { keyID, credential: sha256(Buffer.concat([key, Buffer.from(':'), secret])) }
    case 'AES':
      return { keyID, access: keyID, ...aes(algorithm, key, secret) }
    case 'PublicKey':
      return { keyID, access: keyID, ...publicKey(key) }
  }
  throw new Error('type: unknown')
}

// plain refuses trailing white space, a common mistake in files written by hand.
function plain (component, value) {
  if (!/^[!-~]+$/.test(value.toString('latin1')) || value.includes(10)) {
    throw new Error(`${component}: missing, or contains a character that is not visible ASCII`)
  }
}

function aes (algorithm, key, vector) {
  const length = { 'aes-128-cfb': 16, 'aes-256-cfb': 32 }[algorithm]
  if (key.length !== length || vector.length !== 16) throw new Error('algorithm, key or secret: invalid value or length')
  return {
    scheme: 'SIGNET-' + algorithm.toUpperCase(),
    matches: (text, signature) => {
      const cipher = createCipheriv(algorithm, key, vector)
      const encrypted = Buffer.concat([cipher.update(hmac(Buffer.concat([key, vector]), text)), cipher.final()])
      return equal(encrypted.toString('hex'), signature)
    }
  }
}

function publicKey (component) {
  const key = createPublicKey({ key: Buffer.from(component.toString('latin1'), 'base64'), format: 'der', type: 'spki' })
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails
  let scheme
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') scheme = 'SIGNET-ECDSA-P256-SHA256'
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) scheme = 'SIGNET-RSA-SHA256'
  if (!scheme) throw new Error('key: must be ECDSA P-256, or RSA from 2048 bits')
  return {
    scheme,
    matches: (text, signature) => {
      const decoded = strictBase64(signature)
      return decoded !== undefined && verifySignature('sha256', text, key, decoded)
    }
  }
}

function parse (scheme, rest) {
  if (!SCHEMES.includes(scheme)) throw new Refusal('unknown algorithm')
  const fields = FIELDS.exec(rest)
  if (!fields) throw new Refusal("the signature header is malformed")
  const [, access, list, signature] = fields
  const names = list.split(';')
  if (names.length > 128 || names.some((name, i) => !NAME.test(name) || (i > 0 && names[i - 1] >= name))) {
    throw new Refusal('the list of signed headers is malformed')
  }
  return { access, names, signature }
}

function checkDate (headers, now) {
  const date = single(headers, 'x-sdk-date', 'a signed header is missing')
  const iso = date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  const at = new Date(iso)
  // Invalid days are normalized to other days.
  if (iso === date || Number.isNaN(at.getTime()) || at.toISOString() !== iso) throw new Refusal('the date is malformed')
  if (Math.abs(now - at.getTime() / 1000) > WINDOW) throw new Refusal('the date is outside the window')
  return date
}

// verifyBasic compares with every key, so that the time does not reveal which one
// matches.
function verifyBasic (credential, keys) {
  const pair = strictBase64(credential)
  if (pair === undefined) throw new Refusal("the signature header is malformed")
  const candidates = keys.filter(key => key.credential)
  if (candidates.length === 0) throw new Refusal('no accepted key has this algorithm and ID')
  const digest = sha256(pair)
  const matching = candidates.filter(key => timingSafeEqual(key.credential, digest))
  if (matching.length === 0) throw new Refusal('the signature does not match')
  return matching[0].keyID
}

function canonicalPath (target) {
  const path = target.split('?', 1)[0]
  if (path === '') return '/'
  if (!path.startsWith('/')) throw new Refusal('the target is not a well-formed path and query')
  // An escaped slash becomes a separator; dots and empty segments stay.
  const encoded = unescape(path).split('/').map(escape).join('/')
  return encoded.endsWith('/') ? encoded : encoded + '/'
}

// canonicalQueries returns the query in both orders that signers sort by: decoded
// and encoded.
function canonicalQueries (target) {
  const at = target.indexOf('?')
  const raw = at < 0 ? [] : target.slice(at + 1).split('&').filter(pair => pair !== '')
  const decoded = raw.map(pair => {
    const [name, ...value] = pair.split('=')
    return [name, value.join('=')].map(part => unescape(part, ' '))
  })
  const encoded = pairs => pairs.map(pair => pair.map(escape))
  const text = pairs => pairs.map(pair => pair.join('=')).join('&')
  return [text(encoded(decoded.sort(byPair))), text(encoded(decoded).sort(byPair))]
}

function byPair ([nameA, valueA], [nameB, valueB]) {
  const order = (a, b) => a < b ? -1 : Number(a > b)
  return order(nameA, nameB) || order(valueA, valueB)
}

function canonicalHeaders (headers, names) {
  return names.map(name => {
    const found = values(headers, name).map(trimmed).sort()
    if (name === 'host' && (found.length !== 1 || !/^[!-~]+$/.test(found[0]) || /[/@?#]/.test(found[0]))) {
      throw new Refusal('the host is missing or malformed')
    }
    if (found.length === 0) throw new Refusal('a signed header is missing')
    if (/[\r\n\0]/.test(found.join(''))) throw new Refusal("the header value contains a line break or NUL")
    return found.map(value => `${name}:${value}\n`).join('')
  }).join('')
}

// unescape refuses broken escapes, which two parties could read in two ways. The
// strings are those of Node: one character for each byte.
function unescape (text, plus = '+') {
  if (/[\0- \x7f#]|%(?![0-9A-Fa-f]{2})/.test(text)) throw new Refusal('the target is not a well-formed path and query')
  return text.replaceAll('+', plus).replace(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
}

function escape (text) {
  return text.replace(/[^A-Za-z0-9._~-]/gs, c => '%' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0'))
}

// byName maps each name, in lower case, to the values of the header.
function byName (pairs) {
  const headers = new Map()
  for (const [name, value] of pairs) {
    const key = lowered(name)
    if (headers.has(key)) headers.get(key).push(value)
    else headers.set(key, [value])
  }
  return headers
}

function values (headers, name) { return headers.get(name) ?? [] }

// lowered is for ASCII alone, as HTTP is: there are other letters whose lower case
// is in ASCII.
function lowered (text) { return text.replace(/[A-Z]+/g, letters => letters.toLowerCase()) }

// trimmed removes the white space of HTTP, which is space and tab. A regular
// expression for it would take quadratic time.
function trimmed (value) {
  const isSpace = at => value[at] === ' ' || value[at] === '\t'
  let [begin, end] = [0, value.length]
  while (begin < end && isSpace(begin)) begin++
  while (begin < end && isSpace(end - 1)) end--
  return value.slice(begin, end)
}

// single refuses repeated headers, of which two parties could read different values.
function single (headers, name, missing) {
  const found = values(headers, name)
  if (found.length > 1) throw new Refusal('duplicate header')
  if (!found[0]) throw new Refusal(missing)
  return found[0]
}

function bytes (text) { return Buffer.from(text, 'latin1') }

function sha256 (data) { return createHash('sha256').update(data).digest() }

function hmac (secret, text) { return createHmac('sha256', secret).update(text).digest() }

function equal (a, b) { return a.length === b.length && timingSafeEqual(bytes(a), bytes(b)) }

// strictBase64 returns undefined unless an encoder writes exactly this text: a
// signature has one form.
function strictBase64 (text) {
  const decoded = Buffer.from(text, 'base64')
  return decoded.toString('base64') === text ? decoded : undefined
}
