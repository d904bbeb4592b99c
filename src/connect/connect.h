/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect: a workstation as an object. One MQTT session on worker 0, a session with each device that is asked for, and on
 * every worker the local connections that it took.
 *
 *     create (ports are bound) -> start -> ... -> end (connections are cut, goodbye is said) -> free
 *
 * A device is awaited until its presence has come and its key is proven; then it is asked for its services, and the doors
 * of its wishes open. Everything below is called by one thread that is no worker.
 */
#ifndef CONNECT_CONNECT_H
#define CONNECT_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "connect/wish.h"
#include "relay/trust.h"
#include "relay/way.h"

struct connect;

struct connect_config {
    const char *instance;
    const struct way *way;
    const char *way_text; /* "example.com:8001", or the broker's URL */
    unsigned workers;
    struct wishes *wishes; /* their services are filled in; outlive the object */
    struct trust *trust;   /* outlives it */
    uint64_t timeout_us;   /* for a device to be there, once the broker is reached */
    uint64_t linger_us;    /* a session without a stream ends after so long; 0: never */
};

/* Connects to nothing yet. NULL and *err (a port that is taken, memory). What config points to outlives it. */
struct connect *connect_create(const struct connect_config *config, struct config_error *err);
/* 0 or an errno. */
int connect_start(struct connect *c);
/* Cuts all connections, takes leave of the devices, stops the workers. Takes a second or two at most. */
void connect_end(struct connect *c);
void connect_free(struct connect **c);

/* Becomes readable (poll(2)) when connect_over() may have changed; an eventfd(2). */
int connect_news(const struct connect *c);
enum connect_over {
    CONNECT_GOES_ON,
    CONNECT_FAILED, /* said why: no broker, no device left; or standard input's tunnel was cut */
    CONNECT_DONE,   /* standard input's tunnel has ended as it should; or all is public that was to be */
};
enum connect_over connect_over(const struct connect *c);

#endif
