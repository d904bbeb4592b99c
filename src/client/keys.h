/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that the program needs, as its options say: our own, the server's, the workstations'. */
#ifndef CLIENT_KEYS_H
#define CLIENT_KEYS_H

#include "client/audit.h"
#include "client/gate.h"
#include "client/options.h"
#include "relay/trust.h"

struct keys {
    struct trust *trust; /* NULL: no encryption, and no gate */
    struct gate *gate;
    struct audit *audit; /* NULL: none */
    char *address; /* what stands for the server's key: what the client connects to */
};

/* False and *err; nothing is left of it then. */
bool keys_make(const struct options *o, struct keys *k, struct config_error *err);
void keys_done(struct keys *k);
/* Our own key and the server's alone. NULL and *err. */
struct trust *keys_trust(const struct options *o, struct config_error *err);

#endif
