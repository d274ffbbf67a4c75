<?php
// SPDX-License-Identifier: Apache-2.0

// A script behind the example: it answers with the ID of the key and the body.
require getenv('VERIFIERS') . '/php/SignetVerifier.php';

EXAMPLE
header('Content-Type: application/octet-stream');
header("X-Key-Id: $keyId");
echo $body;
