#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fails if something is missing, with how to get it. Arguments come in pairs: a
# command that succeeds where it is there, and what to print otherwise.
set -euo pipefail
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

failed=0
while (($# >= 2)); do
  if ! bash -c "$1" >/dev/null 2>&1; then
    echo "$2" >&2
    failed=1
  fi
  shift 2
done
exit "$failed"
