#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A message by HTTP through mdm-tunnel-proxy -c proxy.json with curl: http.sh without-tls|with-tls|with-mtls
# PORT is the listener's, CERTS the directory of ca.crt, client.crt and client.key, CREDENTIALS what stands in Authorization.
set -eu
certs=${CERTS:-certs}
case ${1:-} in
without-tls) url=http://localhost:${PORT:-8086} ;;
with-tls) url=https://localhost:${PORT:-8087}; tls="--cacert $certs/ca.crt" ;;
with-mtls) url=https://localhost:${PORT:-8088}; tls="--cacert $certs/ca.crt --cert $certs/client.crt --key $certs/client.key" ;;
*) echo "usage: http.sh without-tls|with-tls|with-mtls" >&2; exit 2 ;;
esac
# What the target answers is printed.
# shellcheck disable=SC2086
curl -sS --fail-with-body ${tls:-} -H "Authorization: ${CREDENTIALS:-thing key}" -H "Content-Type: text/plain" -d "hello $1" "$url/messages/example"
