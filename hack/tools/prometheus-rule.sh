#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes Prometheus' plain file of rules, on standard input, as an object of the
# Prometheus operator.
cat <<'END'
# Made of alerts.yaml by `make generate`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: signet
  namespace: signet-system
spec:
END
sed -e '/^#/d' -e 's/^./  &/'
