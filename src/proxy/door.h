/* SPDX-License-Identifier: Apache-2.0 */
/* A way in: where to listen, for what, and what is behind it. Constant while workers run. */
#ifndef PROXY_DOOR_H
#define PROXY_DOOR_H

#include "config/services.h"
#include "gate/transport.h"

struct proxy_door {
    struct transport_kind kind;
    struct transport_target way; /* how to speak to the target */
    struct target target;        /* where it is */
    /* HTTP: */
    bool http;
    const char *prefix, *forward; /* of paths: here, and there instead; "" or without a slash at the end */
    const char *bypass;           /* paths that nobody is asked about, with commas between them; NULL: none */
};

#endif
