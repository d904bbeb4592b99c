#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A message through mdm-tunnel-proxy -c proxy.json with mosquitto's clients: mqtt.sh without-tls|with-tls|with-mtls
# PORT is the listener's, CERTS the directory of ca.crt, client.crt and client.key.
set -eu
certs=${CERTS:-certs}
case ${1:-} in
without-tls) port=1884 ;;
with-tls) port=8883; tls="--cafile $certs/ca.crt" ;;
with-mtls) port=8884; tls="--cafile $certs/ca.crt --cert $certs/client.crt --key $certs/client.key" ;;
*) echo "usage: mqtt.sh without-tls|with-tls|with-mtls" >&2; exit 2 ;;
esac
# The message is retained: so the subscriber, who comes later, gets it.
# shellcheck disable=SC2086
mosquitto_pub -h localhost -p "${PORT:-$port}" ${tls:-} -t "example/$1" -q 1 -r -m "hello $1"
# shellcheck disable=SC2086
mosquitto_sub -h localhost -p "${PORT:-$port}" ${tls:-} -t "example/$1" -C 1 -W 10
