#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A hook for uacme. HTTP-01: through the server, which answers from its --acme-webroot. DNS-01, for wildcards: with nsupdate, at a
# name server that takes the key in $NSUPDATE_KEY.
#     uacme new you@example.com
#     uacme -h ./uacme-hook.sh issue tim.example.com
#     NSUPDATE_KEY=/etc/nsupdate.key uacme -h ./uacme-hook.sh issue example.com '*.example.com'
# The same from a timer renews; the server reads the files again by itself.
set -eu
webroot=${ACME_WEBROOT:-/var/lib/mdm-acme}
[ $# -eq 5 ] || { echo "usage: uacme-hook.sh begin|done|failed http-01|dns-01 NAME TOKEN AUTHORIZATION" >&2; exit 85; }
method=$1 type=$2 name=$3 token=$4 authorization=$5
case $token in */* | .*) exit 1 ;; esac

case $type:$method in
http-01:begin)
    mkdir -p "$webroot/.well-known/acme-challenge"
    printf %s "$authorization" >"$webroot/.well-known/acme-challenge/$token"
    ;;
http-01:done | http-01:failed)
    rm -f "$webroot/.well-known/acme-challenge/$token"
    ;;
dns-01:begin)
    printf 'update add _acme-challenge.%s. 60 TXT "%s"\nsend\n' "$name" "$authorization" | nsupdate -k "$NSUPDATE_KEY"
    ;;
dns-01:done | dns-01:failed)
    printf 'update delete _acme-challenge.%s. TXT "%s"\nsend\n' "$name" "$authorization" | nsupdate -k "$NSUPDATE_KEY"
    ;;
*) exit 1 ;; # uacme tries the next type
esac
