#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fails if a Go package has no doc.go with its comment, or if a source file in any
# language does not begin with its license. golangci-lint checks neither files of
# other languages nor where a comment is.
set -euo pipefail
cd "$(dirname "$0")/../.."

failed=0
report() {
  echo "$1" >&2
  failed=1
}

# The root has only main.go, which has the package comment.
while read -r dir; do
  if [[ ! -f $dir/doc.go ]]; then
    report "$dir: no doc.go"
  elif ! grep -qE '^// (Package|Command) ' "$dir/doc.go"; then
    report "$dir/doc.go: no comment that begins with Package or Command"
  fi
done < <(git ls-files -co --exclude-standard -- '*.go' | xargs -n1 dirname | sort -u | grep -vx '\.')

# A script's first line names its interpreter, so the license is in its second.
# Generated and recorded files have the first lines that their programs write.
while read -r file; do
  head -n 2 "$file" | grep -qE '^((//|#|--|;) SPDX-License-Identifier: Apache-2\.0|\{\{- /\* SPDX-License-Identifier: Apache-2\.0 \*/ -\}\})$' ||
    report "$file: does not begin with its SPDX-License-Identifier"
done < <(git ls-files -co --exclude-standard -- \
  '*.go' '*.sh' '*.py' '*.js' '*.mjs' '*.ts' '*.java' '*.php' '*.cs' '*.cpp' '*.h' '*.hpp' '*.lua' '.ci/run' \
  '*.yaml' '*.yml' '*.conf' '*.tmpl' '*.tpl' '*Dockerfile' '*Makefile' '*Caddyfile' \
  ':!*/zz_generated*' ':!*/testdata/*.yaml' ':!config/crd/bases' ':!config/crd/recorded' ':!config/prometheus/prometheus_rule.yaml')

exit "$failed"
