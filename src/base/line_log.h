/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line log: lines that workers write and that go to a place of their own: an access log, a log of packets. Workers put lines into
 * chunks; at the end of a turn the chunk goes by mail to a thread of the log's own, the only one that waits for a disk or a reader.
 * What waits is bounded (LINE_LOG_CHUNKS_MAX): lines beyond that are lost, counted and said in the program's log.
 */
#ifndef BASE_LINE_LOG_H
#define BASE_LINE_LOG_H

#include "base/counters.h"
#include "base/text_line.h"
#include "base/worker.h"

struct line_log;

#define LINE_LOG_STDOUT "-"
#define LINE_LOG_SYSLOG "syslog"

struct line_log_config {
    const char *name;    /* of its setting: what the program's log says of it is about that; outlives the log, as `program` */
    const char *where;   /* LINE_LOG_STDOUT, LINE_LOG_SYSLOG, or a path */
    const char *program;
    enum counter lost;   /* counts lines that were lost */
};

/* NULL and *failure (an errno). */
struct line_log *line_log_create(const struct line_log_config *config, int *failure);
/* 0 or an errno. NULL is allowed, as below. */
int line_log_start(struct line_log *l);
/* A file is opened again: somebody has moved it away. Any thread but workers'. */
void line_log_reopen(struct line_log *l);
/* After the workers that write have stopped: what waits is written, unless nobody takes it. */
void line_log_stop(struct line_log *l);
void line_log_free(struct line_log **l);

/* One worker's way to it; embedded. All calls on that worker. */
struct line_tap {
    struct line_log *log; /* NULL: nothing is written */
    struct worker *worker;
    struct line_chunk *chunk; /* what this turn has written so far; NULL: nothing */
    struct turn turn;
};

void line_tap_init(struct line_tap *t, struct line_log *log, struct worker *w);
static inline bool line_tap_wanted(const struct line_tap *t) { return t->log != NULL; }
/* A line (LINE_LOG_LINE_MAX) is built in *line, ends in '\n', and is given to line_tap_end(). False: it is lost, or there is no log. */
bool line_tap_begin(struct line_tap *t, struct text_line *line);
void line_tap_end(struct line_tap *t, const struct text_line *line);
/* The worker has stopped, or will not write any more. */
void line_tap_done(struct line_tap *t);

#endif
