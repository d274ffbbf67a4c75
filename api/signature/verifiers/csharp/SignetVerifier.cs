// SPDX-License-Identifier: Apache-2.0

// Verifies requests that a gateway signed with a Signet signature key: types
// HMAC, Basic, AES and PublicKey. Copy this file into your backend. It needs only
// .NET 8 or later. Signet's tests neither run nor compile this file, because they
// have no .NET SDK: test it with your gateway first.
//
//   var verifier = new Signet.Verifier(["/etc/signet/orders"],    // the mounted Secret
//       new Signet.Options { AllowUnsignedPayload = true });      // bindings with payload: Unsigned, the default
//   try {
//     keyId = verifier.Verify(method, target, headers, body);
//   } catch (Signet.Refusal refusal) {
//     logger.LogWarning("refused: {Reason}", refusal.Reason);     // only for the log
//     return Results.Text(Signet.Verifier.PublicText, statusCode: 401);
//   }
//
// With payload: Signed, omit the options. The target is path and query as they arrived,
// still escaped (ASP.NET Core: IHttpRequestFeature.RawTarget). Headers are names and values, including host, one
// pair for each occurrence, with one character for each byte
// (RequestHeaderEncodingSelector: Latin1). Limit the size of the body while you read
// it. Threads can share a Verifier. There is no nonce: a captured request can be
// replayed for 15 minutes, so keep TLS between gateway and backend.
#nullable enable

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Signet;

/// <summary>A refused request. The reason is only for the log, never for the client.</summary>
public sealed class Refusal : Exception
{
    public Refusal(string reason) : base(Verifier.PublicText) => Reason = reason;

    public string Reason { get; }
}

/// <summary>What a verifier requires.</summary>
public sealed record Options
{
    /// <summary>Carries the signature.</summary>
    public string Header { get; init; } = "authorization";
    /// <summary>For bindings with <c>payload: Unsigned</c>.</summary>
    public bool AllowUnsignedPayload { get; init; }
    /// <summary>Must be signed if a request has them.</summary>
    public IReadOnlyList<string> RequiredHeaders { get; init; } = [];
    public Func<DateTimeOffset> Clock { get; init; } = () => DateTimeOffset.UtcNow;
}

public sealed class Verifier
{
    public const string PublicText = "invalid request signature";

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(15); // between date and clock, in either direction
    private static readonly TimeSpan Reread = TimeSpan.FromSeconds(5); // minimum time between two reads of a directory
    private static readonly string[] Schemes =
        ["SDK-HMAC-SHA256", "SIGNET-AES-128-CFB", "SIGNET-AES-256-CFB", "SIGNET-ECDSA-P256-SHA256", "SIGNET-RSA-SHA256"];
    private static readonly Regex Fields =
        new(@"\AAccess=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(.+)\z", RegexOptions.Singleline | RegexOptions.CultureInvariant);
    private static readonly Regex Name = new(@"\A[a-z0-9!#$%&'*+.^_`|~-]+\z", RegexOptions.CultureInvariant);
    private static readonly Regex Method = new(@"\A[A-Z0-9!#$%&'*+.^_`|~-]+\z", RegexOptions.CultureInvariant);
    private static readonly Regex Host = new(@"\A[!-~-[/@?#]]+\z", RegexOptions.CultureInvariant);
    private static readonly Regex Digest = new(@"\A[0-9a-f]{64}\z", RegexOptions.CultureInvariant);

    /// <summary>A version of a key. Scheme is null for Basic, which has the hash of the credential instead.</summary>
    private sealed record Key(string Id, string Access, string? Scheme, Func<byte[], string, bool>? Matches, byte[]? Credential)
    {
        public DateTimeOffset? Until { get; init; }
    }

    private readonly object gate = new();
    private readonly Options options;
    private readonly string header;
    private readonly string[] requiredHeaders;
    private readonly Dictionary<string, List<Key>> keys = [];
    private DateTimeOffset readAt;

    /// <summary>Accepts the keys in the directories.</summary>
    public Verifier(IEnumerable<string> directories, Options? options = null)
    {
        this.options = options ?? new Options();
        header = Lowered(this.options.Header);
        requiredHeaders = this.options.RequiredHeaders.Select(Lowered).ToArray();
        foreach (var directory in directories)
        {
            keys[directory] = LoadKeys(directory);
        }
        readAt = this.options.Clock();
    }

    /// <summary>Returns the ID of the key that signed the request, or throws Refusal. All that it does before it compares
    /// signatures takes time in proportion to the request.</summary>
    public string Verify(string method, string target, IReadOnlyList<(string Name, string Value)> pairs, byte[] body)
    {
        var now = options.Clock();
        // Each character is one byte. Other characters would be ambiguous.
        var bytes = target.All(c => c <= '\xff') && pairs.All(h => (h.Name + h.Value).All(c => c <= '\xff'));
        Demand(bytes, "the request contains characters that are not bytes");
        var headers = pairs.ToLookup(h => Lowered(h.Name), h => h.Value);
        var carried = Single(headers, header, "no signature");
        var accepted = Accepted(now);
        var parts = carried.Split(' ', 2);
        if (parts.Length == 2 && Lowered(parts[0]) == "basic")
        {
            return VerifyBasic(parts[1], accepted);
        }
        Demand(Method.IsMatch(method), "the method is not a token");
        var (access, names, signature) = Parse(parts);
        CheckNames(headers, names);
        var date = CheckDate(headers, now);
        var candidates = accepted.Where(key => key.Scheme == parts[0] && key.Access == access).ToList();
        Demand(candidates.Count > 0, "no accepted key has this algorithm and ID");
        var payload = Payload(headers, names, body);
        foreach (var query in CanonicalQueries(target))
        {
            var request = string.Join('\n', method, CanonicalPath(target), query, CanonicalHeaders(headers, names), string.Join(';', names), payload);
            var text = Bytes(string.Join('\n', parts[0], date, Hex(SHA256.HashData(Bytes(request)))));
            if (candidates.Find(candidate => candidate.Matches!(text, signature)) is { } signer)
            {
                return signer.Id;
            }
        }
        throw new Refusal("the signature does not match");
    }

    /// <summary>A directory that cannot be read keeps its last keys.</summary>
    private List<Key> Accepted(DateTimeOffset now)
    {
        lock (gate)
        {
            if ((now - readAt).Duration() >= Reread)
            {
                readAt = now;
                foreach (var directory in keys.Keys.ToList())
                {
                    try
                    {
                        keys[directory] = LoadKeys(directory);
                    }
                    catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or FormatException)
                    {
                    }
                }
            }
            return keys.Values.SelectMany(versions => versions).Where(key => key.Until is null || now <= key.Until).ToList();
        }
    }

    private void CheckNames(ILookup<string, string> headers, string[] names)
    {
        Demand(names.Contains("x-sdk-date") && names.Contains("host"), "a required header is not signed");
        Demand(!names.Contains("authorization") && !names.Contains(header), "the list of signed headers is malformed");
        foreach (var name in requiredHeaders)
        {
            Demand(names.Contains(name) || Values(headers, name).Count == 0, "a required header is not signed");
        }
    }

    /// <summary>The header counts only if it is signed and matches the body.</summary>
    private string Payload(ILookup<string, string> headers, string[] names, byte[] body)
    {
        const string name = "x-sdk-content-sha256";
        var actual = Hex(SHA256.HashData(body));
        Demand(Values(headers, name).Count <= 1, "duplicate header");
        if (!names.Contains(name))
        {
            return actual;
        }
        var claimed = Single(headers, name, "a signed header is missing");
        if (claimed == "UNSIGNED-PAYLOAD")
        {
            Demand(options.AllowUnsignedPayload, "the body is not signed");
            return claimed;
        }
        Demand(Digest.IsMatch(claimed), "the payload is neither a SHA-256 nor UNSIGNED-PAYLOAD");
        Demand(Equal(claimed, actual), "the body does not match the signed digest");
        return claimed;
    }

    /// <summary>Returns the directory that the files are in, without links on the way to it.</summary>
    private static string PlaceOf(string directory)
    {
        var link = Path.Combine(directory, "..data");
        var place = Path.GetPathRoot(Path.GetFullPath(directory))!;
        foreach (var part in Path.GetFullPath(Directory.Exists(link) ? link : directory)[place.Length..].Split(Path.DirectorySeparatorChar))
        {
            place = Path.Combine(place, part);
            place = Directory.ResolveLinkTarget(place, returnFinalTarget: true)?.FullName ?? place;
        }
        return place;
    }

    /// <summary>Reads a mounted Secret, or the ConfigMap with public components: active, next and previous. The kubelet
    /// replaces all files at once by renaming ..data, which can be in the directory or, for a projected path, above
    /// it.</summary>
    private static List<Key> LoadKeys(string directory)
    {
        var place = PlaceOf(directory);
        var changed = Directory.GetLastWriteTimeUtc(place);
        byte[] Read(string name) => File.Exists(Path.Combine(place, name)) ? File.ReadAllBytes(Path.Combine(place, name)) : [];
        List<Key> loaded = [];
        foreach (var prefix in new[] { "", "next.", "previous." })
        {
            var (id, key, secret) = (Read(prefix + "key-id"), Read(prefix + "key"), Read(prefix + "secret"));
            if (prefix != "" && id.Length + key.Length + secret.Length == 0)
            {
                continue;
            }
            var version = MakeKey(Text(Read("type")), Text(Read("algorithm")), id, key, secret);
            var retires = prefix == "previous." ? Text(Read("previous.retires")) : "";
            loaded.Add(retires == "" ? version : version with { Until = DateTimeOffset.Parse(retires, CultureInfo.InvariantCulture) + Window }); // this clock may be ahead of Signet's
        }
        if (PlaceOf(directory) != place || Directory.GetLastWriteTimeUtc(place) != changed)
        {
            throw new IOException("the directory changed while it was read");
        }
        return loaded;
    }

    private static Key MakeKey(string type, string algorithm, byte[] keyId, byte[] key, byte[] secret)
    {
        Plain("key", key);
        if (type != "PublicKey")
        {
            Plain("secret", secret);
        }
        if (type is "AES" or "PublicKey")
        {
            Plain("key-id", keyId);
        }
        var id = Text(keyId);
        return type switch
        {
            "HMAC" => new Key(id, Text(key), Schemes[0], (text, signature) => Equal(Hex(HMACSHA256.HashData(secret, text)), signature), null),
            "Basic" => new Key(id, id, null, null, SHA256.HashData(Bytes(Text(key) + ":" + Text(secret)))),
            "AES" => new Key(id, id, "SIGNET-" + algorithm.ToUpperInvariant(), AesScheme(algorithm, key, secret), null),
            "PublicKey" => MakePublicKey(id, Convert.FromBase64String(Text(key))),
            _ => throw new FormatException("type: unknown"),
        };
    }

    /// <summary>Trailing white space is a common mistake in files written by hand.</summary>
    private static void Plain(string component, byte[] value)
    {
        if (value.Length == 0 || value.Any(b => b is <= 0x20 or >= 0x7f))
        {
            throw new FormatException(component + ": missing, or contains a character that is not visible ASCII");
        }
    }

    private static Func<byte[], string, bool> AesScheme(string algorithm, byte[] key, byte[] vector)
    {
        var length = algorithm switch { "aes-128-cfb" => 16, "aes-256-cfb" => 32, _ => throw new FormatException("algorithm: unknown") };
        if (key.Length != length || vector.Length != 16)
        {
            throw new FormatException("key or secret: invalid length");
        }
        byte[] both = [.. key, .. vector];
        return (text, signature) =>
        {
            using var aes = Aes.Create();
            aes.Key = key;
            var mac = HMACSHA256.HashData(both, text);
            return Equal(Hex(aes.EncryptCfb(mac, vector, PaddingMode.None, feedbackSizeInBits: 128)), signature);
        };
    }

    private static Key MakePublicKey(string id, byte[] spki)
    {
        // The beginning of every SPKI of the curve P-256.
        if (Hex(spki).StartsWith("3059301306072a8648ce3d020106082a8648ce3d030107", StringComparison.Ordinal))
        {
            var ec = ECDsa.Create();
            ec.ImportSubjectPublicKeyInfo(spki, out _);
            return new Key(id, id, "SIGNET-ECDSA-P256-SHA256", (text, signature) => StrictBase64(signature) is { } decoded
                && Verified(ec, () => ec.VerifyData(text, decoded, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)), null);
        }
        var rsa = RSA.Create();
        rsa.ImportSubjectPublicKeyInfo(spki, out _);
        if (rsa.KeySize < 2048)
        {
            throw new FormatException("key: must be ECDSA P-256, or RSA from 2048 bits");
        }
        return new Key(id, id, "SIGNET-RSA-SHA256", (text, signature) => StrictBase64(signature) is { } decoded
            && Verified(rsa, () => rsa.VerifyData(text, decoded, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)), null);
    }

    /// <summary>Keys of .NET are not safe for concurrent use.</summary>
    private static bool Verified(AsymmetricAlgorithm key, Func<bool> verify)
    {
        try
        {
            lock (key)
            {
                return verify();
            }
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static (string Access, string[] Names, string Signature) Parse(string[] parts)
    {
        Demand(parts.Length == 2, "the signature header is malformed");
        Demand(Schemes.Contains(parts[0]), "unknown algorithm");
        var fields = Fields.Match(parts[1]);
        Demand(fields.Success, "the signature header is malformed");
        var names = fields.Groups[2].Value.Split(';');
        Demand(names.Length <= 128, "the list of signed headers is malformed");
        var before = "";
        foreach (var name in names)
        {
            Demand(string.CompareOrdinal(before, name) < 0 && Name.IsMatch(name), "the list of signed headers is malformed");
            before = name;
        }
        return (fields.Groups[1].Value, names, fields.Groups[3].Value);
    }

    private static string CheckDate(ILookup<string, string> headers, DateTimeOffset now)
    {
        var date = Single(headers, "x-sdk-date", "a signed header is missing");
        var read = DateTimeOffset.TryParseExact(date, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at);
        Demand(read, "the date is malformed");
        Demand((now - at).Duration() <= Window, "the date is outside the window");
        return date;
    }

    /// <summary>Compares with every key, so that the time does not reveal which one matches.</summary>
    private static string VerifyBasic(string credential, List<Key> keys)
    {
        var pair = StrictBase64(credential) ?? throw new Refusal("the signature header is malformed");
        var candidates = keys.Where(key => key.Credential is not null).ToList();
        Demand(candidates.Count > 0, "no accepted key has this algorithm and ID");
        var sum = SHA256.HashData(pair);
        var matching = candidates.Where(key => CryptographicOperations.FixedTimeEquals(sum, key.Credential)).ToList();
        Demand(matching.Count > 0, "the signature does not match");
        return matching[0].Id;
    }

    private static string CanonicalPath(string target)
    {
        var path = target.Split('?', 2)[0];
        if (path == "")
        {
            return "/";
        }
        Demand(path[0] == '/', "the target is not a well-formed path and query");
        // An escaped slash becomes a separator; dots and empty segments stay.
        var encoded = Escape(Unescape(path, '+')).Replace("%2F", "/", StringComparison.Ordinal);
        return encoded.EndsWith('/') ? encoded : encoded + "/";
    }

    /// <summary>Returns the query in both orders that signers sort by: decoded and encoded.</summary>
    private static string[] CanonicalQueries(string target)
    {
        var parts = target.Split('?', 2);
        var pairs = (parts.Length == 2 ? parts[1] : "").Split('&').Where(pair => pair != "").Select(pair =>
        {
            var nameAndValue = pair.Split('=', 2);
            return (Name: Unescape(nameAndValue[0], ' '), Value: Unescape(nameAndValue.ElementAtOrDefault(1) ?? "", ' '));
        });
        var decoded = InOrder(pairs).Select(pair => (Name: Escape(pair.Name), Value: Escape(pair.Value))).ToList();
        return [Joined(decoded), Joined(InOrder(decoded))];
    }

    private static IEnumerable<(string Name, string Value)> InOrder(IEnumerable<(string Name, string Value)> pairs) =>
        pairs.OrderBy(pair => pair.Name, StringComparer.Ordinal).ThenBy(pair => pair.Value, StringComparer.Ordinal);

    private static string Joined(IEnumerable<(string Name, string Value)> pairs) =>
        string.Join('&', pairs.Select(pair => pair.Name + "=" + pair.Value));

    private static string CanonicalHeaders(ILookup<string, string> headers, string[] names)
    {
        var lines = new StringBuilder();
        foreach (var name in names)
        {
            var found = Values(headers, name).Select(value => value.Trim(' ', '\t')).Order(StringComparer.Ordinal).ToList();
            Demand(name != "host" || (found.Count == 1 && Host.IsMatch(found[0])), "the host is missing or malformed");
            Demand(found.Count > 0, "a signed header is missing");
            foreach (var value in found)
            {
                Demand(value.IndexOfAny(['\r', '\n', '\0']) < 0, "the header value contains a line break or NUL");
                lines.Append(name).Append(':').Append(value).Append('\n');
            }
        }
        return lines.ToString();
    }

    /// <summary>Refuses broken escapes, which two parties could read in two ways.</summary>
    private static string Unescape(string text, char plus)
    {
        var decoded = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            Demand(c is > ' ' and not '\x7f' and not '#', "the target is not a well-formed path and query");
            if (c == '+')
            {
                c = plus;
            }
            else if (c == '%')
            {
                var whole = i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]);
                Demand(whole, "the target is not a well-formed path and query");
                c = (char)Convert.ToByte(text.Substring(i + 1, 2), 16);
                i += 2;
            }
            decoded.Append(c);
        }
        return decoded.ToString();
    }

    private static string Escape(string text) =>
        string.Concat(text.Select(c => char.IsAsciiLetterOrDigit(c) || "-_.~".Contains(c) ? c.ToString() : $"%{(int)c:X2}"));

    private static List<string> Values(ILookup<string, string> headers, string name) => headers[name].ToList();

    /// <summary>For ASCII alone, as HTTP is: there are other letters whose lower case is in ASCII.</summary>
    private static string Lowered(string text) => string.Concat(text.Select(c => c is >= 'A' and <= 'Z' ? (char)(c - 'A' + 'a') : c));

    /// <summary>Refuses repeated headers, of which two parties could read different values.</summary>
    private static string Single(ILookup<string, string> headers, string name, string missing)
    {
        var found = Values(headers, name);
        Demand(found.Count <= 1, "duplicate header");
        Demand(found.Count == 1 && found[0] != "", missing);
        return found[0];
    }

    private static void Demand(bool condition, string reason)
    {
        if (!condition)
        {
            throw new Refusal(reason);
        }
    }

    /// <summary>Returns null unless an encoder writes exactly this text: a signature has one form.</summary>
    private static byte[]? StrictBase64(string text)
    {
        var decoded = new byte[text.Length];
        return Convert.TryFromBase64String(text, decoded, out var length) && Convert.ToBase64String(decoded, 0, length) == text
            ? decoded[..length]
            : null;
    }

    private static bool Equal(string a, string b) => CryptographicOperations.FixedTimeEquals(Bytes(a), Bytes(b));

    private static string Hex(byte[] data) => Convert.ToHexString(data).ToLowerInvariant();

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    private static string Text(byte[] data) => Encoding.Latin1.GetString(data);
}
