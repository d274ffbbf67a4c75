# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of verifiers_test.go, one per line, with the Python verifier."""

import base64
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../../api/signature/verifiers/python"))
from signet_verifier import Refusal, Verifier  # noqa: E402


def main():
    configured, verifier, now = None, None, 0
    for line in sys.stdin:
        time, *encoded = line.rstrip("\n").split("\t")
        now = int(time)
        fields = [base64.b64decode(field) for field in encoded]
        body = fields[6]
        directory, header, unsigned, required, method, target, _, *pairs = (f.decode("latin-1") for f in fields)
        try:
            if configured != fields[:4]:
                verifier = Verifier([directory], header, unsigned == "1", required.split(), clock=lambda: now)
                configured = fields[:4]
            print("ok", verifier.verify(method, target, list(zip(pairs[::2], pairs[1::2])), body), flush=True)
        except Refusal as refusal:
            print("no", refusal.reason, flush=True)
        except (OSError, ValueError, KeyError):
            configured = None
            print("no keys", flush=True)


main()
