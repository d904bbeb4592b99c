/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered before a request is routed: challenges of certificate authorities, the way to HTTPS. */
#ifndef SERVER_DOORWAY_H
#define SERVER_DOORWAY_H

#include <stdbool.h>

struct exchange;

/* True: `ex` has its answer. Reads a file of a few hundred bytes (RFC 8555 8.3) where --acme-webroot has one. */
bool doorway_answers(struct exchange *ex);

#endif
