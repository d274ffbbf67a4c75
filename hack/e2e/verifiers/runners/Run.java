// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** Runs the cases of verifiers_test.go, one per line, with the Java verifier. */
final class Run {
  private static SignetVerifier verifier;
  private static List<String> configured;
  private static Instant now;

  private static final Clock CLOCK = new Clock() {
    @Override public Instant instant() {
      return now;
    }

    @Override public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override public Clock withZone(ZoneId zone) {
      return this;
    }
  };

  public static void main(String[] arguments) throws IOException {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      System.out.println(judge(line.split("\t", -1)));
    }
  }

  private static String judge(String[] encoded) {
    now = Instant.ofEpochSecond(Long.parseLong(encoded[0]));
    List<String> fields = new ArrayList<>();
    for (int i = 1; i < encoded.length; i++) {
      fields.add(new String(Base64.getDecoder().decode(encoded[i]), StandardCharsets.ISO_8859_1));
    }
    List<SignetVerifier.Header> headers = new ArrayList<>();
    for (int i = 7; i < fields.size(); i += 2) {
      headers.add(new SignetVerifier.Header(fields.get(i), fields.get(i + 1)));
    }
    try {
      if (!fields.subList(0, 4).equals(configured)) {
        configured = null;
        List<String> required = fields.get(3).isEmpty() ? List.of() : List.of(fields.get(3).split(" "));
        var options = new SignetVerifier.Options(fields.get(1), fields.get(2).equals("1"), required, CLOCK);
        verifier = new SignetVerifier(List.of(Path.of(fields.get(0))), options);
        configured = List.copyOf(fields.subList(0, 4));
      }
      byte[] body = fields.get(6).getBytes(StandardCharsets.ISO_8859_1);
      return "ok " + verifier.verify(fields.get(4), fields.get(5), headers, body);
    } catch (SignetVerifier.Refusal refusal) {
      return "no " + refusal.reason;
    } catch (IOException | GeneralSecurityException e) {
      return "no keys";
    }
  }

  private Run() {}
}
