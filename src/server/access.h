/* SPDX-License-Identifier: Apache-2.0 */
/* What the access log says of a request or a connection, gathered while it lasts; nothing where there is no such log. The worker's own. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdint.h>

#include "peer/conduit.h"
#include "server/address.h"

struct MHD_Connection;
struct exchange;
struct front;
struct route;

/* When things were reached, by the worker's clock; 0: not yet. */
struct access_times {
    uint64_t opened_us, accepted_us, answered_us;
};

/* What a visitor said of itself: the request's memory is libmicrohttpd's, and may go before the request's end is told. */
struct access_words {
    char referer[256], agent[256], version[16];
};

/* The head is there. Without memory the line will have less in it. */
void access_request_begin(struct exchange *ex, struct MHD_Connection *c, const char *version);
/* The request is over: its line. */
void access_request_end(struct exchange *ex);

/* A connection that was upgraded or passed through. */
struct access_stream {
    struct front *front;
    enum stream_kind kind;
    char client[NAME_MAX_BYTES + 1], service[NAME_MAX_BYTES + 1], visitor[INET6_ADDRSTRLEN];
    unsigned number;
    bool secure;
    uint64_t began_us;
    struct timespec began;
    struct access_times times;
};

/* For one that began then, by the worker's clock, and has a stream now. Heap; NULL where there is no access log, or no memory. */
struct access_stream *access_stream_begin(struct front *f, enum stream_kind kind, const char *client, const char *service,
                                          const struct address *visitor, uint64_t began_us);
/* It is accepted by its client; NULL is allowed, as below. */
void access_stream_accepted(struct access_stream *s);
/* The visitor gets bytes of the service; the first time counts. */
void access_stream_answered(struct access_stream *s);
/* Its line; *s becomes NULL. */
void access_stream_end(struct access_stream **s, uint64_t up, uint64_t down, const struct error *reason);

#endif
