/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publicity: what each server has said of the public ports of our services. A server says it again whenever it looks at
 * our offer; what is no news is not told; and where visitors of HTTP come. Worker 0's.
 */
#ifndef CLIENT_PUBLICITY_H
#define CLIENT_PUBLICITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "config/services.h"
#include "mdm-tunnel/limits.h"
#include "wire/frame.h"

struct publicity {
    struct list heard;
};

void publicity_init(struct publicity *p);
void publicity_done(struct publicity *p);
/* True when it is news. */
bool publicity_hear(struct publicity *p, const char *server, const struct public_port *port);
/* What the service has, whichever server gives it; NULL: nothing. */
const struct public_port *publicity_find(const struct publicity *p, const char *service);
/* The session with the server has ended. */
void publicity_forget(struct publicity *p, const char *server);
/*
 * The next one that has something of ours, or has it not: what stands behind `last`, NULL: the first. Ports of services and domains;
 * several servers may speak of one. NULL: there are no more.
 */
const struct public_port *publicity_next(const struct publicity *p, const struct public_port *last);
/* Forgets what is about services that want no port any more, and about domains that no service has. */
void publicity_keep(struct publicity *p, const struct services *services);

/*
 * The URL of a service of the client `id` for its visitors: "https://web--tim.example.com/" (one label, so that a certificate for
 * *.example.com will do), "http://web.tim.example.com:8000/", "tcp://example.com:2222". False when no server has said, or it has none.
 */
#define PUBLIC_URL_MAX 512
bool publicity_url(const struct publicity *p, const struct service *s, const char *id, const char *own_host, char out[static PUBLIC_URL_MAX]);

/* "example.com:2222"; `own_host`: where the client connects to. 264 bytes are always enough. */
void public_port_text(const struct public_port *port, const char *own_host, char *out, size_t size);
/* Why there is none, with what to do about it. */
void public_port_refusal(const struct public_port *port, char *out, size_t size);
/* Why a domain does not lead to us, and the record that would prove that it is the one of our `key` (a fingerprint). */
void public_domain_refusal(const struct publicity *p, const struct public_port *domain, const char *key, char *out, size_t size);

#endif
