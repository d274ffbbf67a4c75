# SPDX-License-Identifier: Apache-2.0
"""A WSGI application behind the example: it answers with the ID of the key and the body."""

import logging
import os
import sys

sys.path.insert(0, os.environ["VERIFIERS"] + "/python")
from signet_verifier import PUBLIC_TEXT, Refusal, Verifier, wsgi_request  # noqa: E402

EXAMPLE


def answer(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("X-Key-Id", environ["signet.key_id"])])
    return [environ["wsgi.input"].read()]


application = verified(answer)

if __name__ == "__main__":
    import waitress
    waitress.serve(application, listen=os.environ["ADDRESS"])
