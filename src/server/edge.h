/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edge: what the visitors of a service have to obey. A client says its rules in SERVICES; here they become objects that
 * all workers share and nobody changes, together with what the server allows the client. What is being used stands in
 * meters, which outlive a change of the rules.
 */
#ifndef SERVER_EDGE_H
#define SERVER_EDGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/cidr.h"
#include "base/fingerprint.h"
#include "base/object.h"
#include "gate/crowd.h"
#include "server/admission.h"
#include "server/meter.h"
#include "base/rates.h"
#include "hook/verifier.h"
#include "wire/error.h"
#include "wire/frame.h"
#include "wire/http_head_edit.h"

/* What the server allows a client, whatever its rules say; 0: no limit. */
struct edge_grant {
    unsigned streams;   /* at one time, of all its services */
    uint64_t bandwidth; /* bytes a second each way, of all its services */
    unsigned rate;      /* requests a second from one address to a service */
};

/* What visitors may use. */
struct edge_limits {
    unsigned visitors, visitors_per_address; /* connections at one time; 0: any number from one address */
};

/* What the settings say about all clients; it may be other the next time. */
struct edge_terms {
    const struct edge_grant *each; /* of clients whose line does not say */
    const char *reserved;          /* names that nobody gets, NULL: none */
};

struct edge_login {
    const char *user, *hash;
};

/* One a program. */
struct edge {
    OBJECT_MAGIC;
    uint64_t key[2];
    struct meters meters;
    struct rates *rates;
    struct verifier *verifier;
    struct crowd *visitors; /* their connections */
    struct admission *admission; /* set before the workers start; NULL: no lines */
};

/* NULL without memory or threads. */
struct edge *edge_create(const struct edge_limits *limits);
/* The helper threads end: before the workers do. */
void edge_stop(struct edge *e);
/* After all offers and rules are gone. */
void edge_free(struct edge **e);

struct edge_rules {
    OBJECT_MAGIC;
    atomic_uint refs;
    struct edge *edge;
    const char *service; /* its name */
    const struct error *wrong; /* nobody is let in; NULL: the rules hold */
    struct edge_grant grant;
    struct meter *of_service, *of_client;
    size_t login_count, bearer_count, allow_count, deny_count;
    struct edge_login *logins;
    const uint8_t **bearers; /* of RULE_DIGEST_BYTES */
    struct cidr *allow, *deny;
    uint32_t rate_per_1000_s, rate_burst; /* 0: any */
    unsigned max_streams;
    struct http_text path; /* what begins so is the service's under shared names; empty: nothing was said */
    struct http_text *domains; /* patterns that lead here; the texts have a NUL behind them */
    size_t domain_count;
    const char *maintenance; /* nobody is let in, and told this (maybe ""); NULL: no */
    bool strip;            /* the service gets the rest of the path only */
    bool one_visitor; /* a stream is for one request */
    uint64_t bandwidth[METER_WAYS];
    struct http_edit request, response;
    size_t response_bytes; /* of the fields that are set */
    bool paced;            /* some bandwidth is limited */
    char *bytes;           /* what the pointers above point into; texts have a NUL behind them */
};

struct edge_rules *edge_rules_ref(struct edge_rules *r);
void edge_rules_unref(struct edge_rules *r); /* NULL is allowed */

struct edge_service {
    char name[64];
    enum stream_kind kind;
    struct edge_rules *rules; /* NULL: none */
};

/* What a client offers to visitors: hub_config.offered makes it. */
struct edge_offer {
    OBJECT_MAGIC;
    size_t count;
    struct edge_service *list; /* sorted by name */
    struct fingerprint key; /* that it has proven; zero: none of its own */
    char ports[GRANT_PORTS_MAX + 1]; /* public ports that the client's line grants, as client_grant.ports */
};

/* NULL without memory. */
struct edge_offer *edge_offer_create(struct edge *e, const char *client, const struct edge_grant *grant,
                                     const struct service_entry *list, size_t count);
void edge_offer_free(void *offer);
/* What hub_config.offered makes of what a client says, under these terms. NULL without memory. */
struct edge_offer *edge_offered(struct edge *e, const struct edge_terms *terms, const char *client, const struct fingerprint *key,
                                const struct service_entry *list, size_t count);
/* The service of that name and kind; NULL: there is none. */
const struct edge_service *edge_offer_find(const struct edge_offer *o, const char *name, enum stream_kind kind);
/*
 * The service of that kind which has `path` (of a request, with its query) under a shared name: the client's own (`host` empty),
 * where the one named `default` has what is left, or a domain, where all services with that domain are asked; an exact domain goes
 * before a wildcard, then the longest prefix wins. NULL: none.
 */
const struct edge_service *edge_offer_at(const struct edge_offer *o, enum stream_kind kind, struct http_text host,
                                         struct http_text path);

/* Whether some service, of any kind and path, has the domain `host`. */
bool edge_offer_has(const struct edge_offer *o, struct http_text host);

#endif
