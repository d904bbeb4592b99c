#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A wildcard certificate with lego, by DNS-01. RFC 2136 (dynamic updates) here; "lego dnshelp" lists the providers and their
# variables. The first time "run", then from a timer: ./lego.sh renew
set -eu
: "${RFC2136_NAMESERVER:=127.0.0.1}" "${LEGO_PATH:=/var/lib/lego}"
export RFC2136_NAMESERVER
exec lego --path "$LEGO_PATH" --accept-tos --email you@example.com --dns rfc2136 \
    --domains example.com --domains '*.example.com' --domains '*.tim.example.com' "${1:-run}"
# mdm-tunnel-server --tls-cert $LEGO_PATH/certificates/example.com.crt --tls-key $LEGO_PATH/certificates/example.com.key
