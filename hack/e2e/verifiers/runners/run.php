<?php
// SPDX-License-Identifier: Apache-2.0

// SPDX-License-Identifier: Apache-2.0

// Runs the cases of verifiers_test.go, one per line, with the PHP verifier.

declare(strict_types=1);

require __DIR__ . '/../../../../api/signature/verifiers/php/SignetVerifier.php';

$configured = null;
$now = 0;
while (($line = fgets(STDIN)) !== false) {
    $encoded = explode("\t", rtrim($line, "\n"));
    $now = (int) array_shift($encoded);
    $settings = array_slice($encoded, 0, 4);
    [$directory, $header, $unsigned, $required, $method, $target, $body] = $fields = array_map('base64_decode', $encoded);
    try {
        if ($configured !== $settings) {
            $configured = null;
            $verifier = new Signet\Verifier([$directory], $header, $unsigned === '1', array_filter(explode(' ', $required)), function () use (&$now): int {
                return $now;
            });
            $configured = $settings;
        }
        echo 'ok ' . $verifier->verify($method, $target, array_chunk(array_slice($fields, 7), 2), $body) . "\n";
    } catch (Signet\Refusal $refusal) {
        echo 'no ', $refusal->reason, "\n";
    } catch (Exception $broken) {
        echo $configured === null ? 'no keys' : $broken, "\n";
    }
}
