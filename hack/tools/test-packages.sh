#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the packages of a group of tests, as directories. `make test-<group>` runs
# a group. Each package with tests is in exactly one:
#
#   unit         imports no control plane, directly or indirectly
#   modules      the same in modules of their own, outside hack/e2e
#   integration  imports internal/testing/env or controlplane
#   system       in hack/e2e, and needs no programs beyond Go, make and git
#   others       in hack/e2e, and need programs to be installed first
#
# With --check, it fails if a package with tests is in no group, if a group has no
# target, or if a package of the group integration has tests inside it: those on a
# control plane are external, and unit tests have a directory of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."

module=github.com/signet-dev/signet
plane=$module/internal/testing/controlplane

# group_of names the group of a directory in hack/e2e. A directory that is not
# named here is run by `make test`, which fails if it needs more than there is.
group_of() {
  case $1 in
    hack/e2e/metrics) echo prometheus ;;
    hack/e2e/upgrade/history) echo upgrade ;;
    hack/e2e/argocd | hack/e2e/gateways | hack/e2e/interop | hack/e2e/servers | hack/e2e/verifiers) basename "$1" ;;
    *) echo system ;;
  esac
}

# classify prints "group directory" for each package with tests.
classify() {
  # The packages of the main module: P.test is the test binary of P, and its Deps
  # are all that it is linked with.
  go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | while read -r package deps; do
    [[ $package == *.test ]] || continue
    dir=${package%.test}
    dir=${dir#"$module"}
    dir=${dir#/}
    case ${dir:=.} in
      hack/e2e/*) echo "$(group_of "$dir") $dir" ;;
      *) if [[ " $deps $package" == *" $plane"[\ .]* ]]; then echo "integration $dir"; else echo "unit $dir"; fi ;;
    esac
  done
  # Modules of their own.
  git ls-files -co --exclude-standard -- '*/go.mod' | while read -r file; do
    dir=$(dirname "$file")
    compgen -G "$dir/*_test.go" >/dev/null || continue
    case $dir in
      hack/e2e/*) echo "$(group_of "$dir") $dir" ;;
      *) echo "modules $dir" ;;
    esac
  done
}

check() {
  local failed=0 all dir group
  all=$(classify)
  while read -r dir; do
    grep -qE "^[a-z]+ $dir\$" <<<"$all" || { echo "$dir: its tests are in no group" >&2 && failed=1; }
  done < <(git ls-files -co --exclude-standard -- '*_test.go' | xargs -n1 dirname | sort -u)
  while read -r group; do
    [[ $group != modules ]] || continue # test-unit runs them as well
    grep -qE "^test-$group:" Makefile || { echo "Makefile: no target test-$group" >&2 && failed=1; }
  done < <(cut -d ' ' -f 1 <<<"$all" | sort -u)
  while read -r dir; do
    if [[ $(go list -f '{{len .TestGoFiles}}' "./$dir") != 0 ]]; then
      echo "$dir: tests on a control plane are in package $(basename "$dir")_test, and unit tests in another directory" >&2
      failed=1
    fi
  done < <(sed -n 's/^integration //p' <<<"$all")
  return "$failed"
}

case ${1:-} in
  --check) check ;;
  '') echo "usage: $0 GROUP | --check" >&2 && exit 2 ;;
  *) classify | sed -n "s#^$1 #./#p" | sed 's#^\./\.$#.#' ;;
esac
