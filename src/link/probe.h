/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a connection to a broker has not come about, where the MQTT library does not tell: the same way is gone once more, step
 * by step, up to where MQTT would begin. Blocks for some seconds at most; any thread.
 */
#ifndef LINK_PROBE_H
#define LINK_PROBE_H

#include <stdbool.h>

#include "link/paho.h"
#include "tls/probe.h"

#define LINK_PROBE_WHY 96

/*
 * `address`: of the broker, or of the proxy on the way to it. True: no step has failed. False and `why`: "connection
 * refused", "the proxy answers 407 Proxy Authentication Required", "certificate verify failed: self-signed certificate", "the
 * WebSocket is answered with 404 Not Found". `seen`: of TLS; NULL: not wanted.
 */
bool link_probe(const struct paho_config *config, const struct sockaddr *address, socklen_t len, struct tls_probe_seen *seen,
                char why[static LINK_PROBE_WHY]);

#endif
