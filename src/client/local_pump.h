/* SPDX-License-Identifier: Apache-2.0 */
/* The pump between a local socket and its conduit. For local.c only. */
#ifndef CLIENT_LOCAL_PUMP_H
#define CLIENT_LOCAL_PUMP_H

#include "client/dial.h"
#include "client/local.h"

#define LOCAL_MAGIC 0x4c4f4341

struct local {
    OBJECT_MAGIC;
    enum stream_kind kind;
    struct list node; /* shard->locals */
    struct client_shard *shard;
    struct conduit *conduit;
    struct dial *dial; /* until connected */
    int fd;            /* -1: not yet, or done with */
    unsigned number;   /* for log lines */
    uint64_t bytes_to, bytes_from; /* the service */
    uint64_t moved_us;             /* when the last byte moved */
    bool answering;    /* that was from the service */
    bool reading;      /* false: there is no room, or nothing more to read */
    bool read_done;    /* the service has finished, and the visitor knows */
    bool write_done;   /* the visitor has finished, and the service knows, or does not want to */
    bool write_broken; /* the service takes no more: what comes is dropped */
    bool reset;        /* it said so with a reset: an end of its own bytes is none */
    bool lingering;    /* `writable` is a timer */
    struct event readable, writable;
    char service[64];
};

/* The socket is connected: what has come already is written at once. May free the local, as all of these may. */
void local_pump_start(struct local *l, int fd);
/* The conduit has bytes or the end for the service. */
void local_pump_write(struct local *l);
/* The conduit has room again. */
void local_pump_resume(struct local *l);
/* Ends the local if both directions are done. */
void local_pump_settle(struct local *l);
/* Closes both directions politely; the stream ends when the visitor's end agrees. */
void local_pump_finish(struct local *l);
/* All that came was written, and the service said the last word. */
bool local_pump_is_quiet(const struct local *l);

/* -- local.c's, for the pump --------------------------------------------------------------------------------------- */

/* Cuts or ends the stream, closes the socket (with a reset unless error_none), frees the local. */
void local_end(struct local *l, const struct error *reason);
void local_close_socket(struct local *l, bool abort);
void local_say(const struct local *l, const char *text, const char *detail);

#endif
