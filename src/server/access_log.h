/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access log: a line for each request, and for each connection that was upgraded or passed through, at its end. Workers put lines
 * into chunks; at the end of a turn the chunk goes by mail to a thread of the log's own, the only one that waits for a disk or a
 * reader. What waits is bounded (ACCESS_CHUNKS_MAX): lines beyond that are lost, counted and said in the log.
 */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include "base/worker.h"
#include "config/error.h"
#include "server/access_line.h"

struct access_log;

#define ACCESS_STDOUT "-"
#define ACCESS_SYSLOG "syslog"

/* `where`: ACCESS_STDOUT, ACCESS_SYSLOG, or a path. NULL and *err. */
struct access_log *access_log_create(const char *where, enum access_format format, const char *program, struct config_error *err);
/* 0 or an errno. */
int access_log_start(struct access_log *a);
/* A file is opened again: somebody has moved it away. NULL is allowed. Any thread but workers'. */
void access_log_reopen(struct access_log *a);
/* After the workers that write have stopped: what waits is written, unless nobody takes it. NULL is allowed. */
void access_log_stop(struct access_log *a);
void access_log_free(struct access_log **a);

/* One worker's way to it; embedded. All calls on that worker. */
struct access_tap {
    struct access_log *log; /* NULL: nothing is written */
    struct worker *worker;
    struct access_chunk *chunk; /* what this turn has written so far; NULL: nothing */
    struct turn turn;
};

void access_tap_init(struct access_tap *t, struct access_log *log, struct worker *w);
static inline bool access_wanted(const struct access_tap *t) { return t->log != NULL; }
void access_tap_write(struct access_tap *t, const struct access_entry *e);
/* The worker has stopped, or will not write any more. */
void access_tap_done(struct access_tap *t);

#endif
