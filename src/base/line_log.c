/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of lines from the workers to the log's own thread. */
#include "base/line_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_sink.h"
#include "base/object.h"
#include "mdm-tunnel/limits.h"

#define PATIENCE_MS 1000 /* for a reader of standard output that does not read; then the chunk is lost */

struct line_log {
    OBJECT_MAGIC;
    struct log_sink sink;
    const char *name;
    enum counter lost_counter;
    struct worker *worker;
    atomic_uint waiting; /* chunks that are not written yet */
    atomic_ulong lost;   /* lines that are not said yet */
    atomic_bool ending;
    struct mail reopen;
    atomic_bool reopening; /* the mail is on its way */
};
#define LINE_LOG_MAGIC 0x6c6e6c67

struct line_chunk {
    struct mail mail;
    struct line_log *log;
    size_t len;
    unsigned long lines;
    char bytes[LINE_LOG_CHUNK_BYTES];
};

/* -- the log's thread ---------------------------------------------------------------------------------------------- */

/* A pipe takes up to PIPE_BUF at once, or nothing. */
static bool fd_write(struct line_log *a, const char *bytes, size_t len)
{
    struct pollfd out = {.fd = a->sink.fd, .events = POLLOUT};
    while (len > 0) {
        size_t part = len < PIPE_BUF ? len : PIPE_BUF;
        int patience_ms = atomic_load_explicit(&a->ending, memory_order_relaxed) ? 0 : PATIENCE_MS;
        ssize_t written = poll(&out, 1, patience_ms) == 1 ? write(out.fd, bytes, part) : -1;
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

static bool datagrams_write(struct line_log *a, const char *bytes, size_t len)
{
    bool all = true;
    for (const char *end; len > 0; len -= (size_t)(end + 1 - bytes), bytes = end + 1) {
        end = memchr(bytes, '\n', len);
        const struct log_message m = {.severity = LOG_INFO, .subject = "", .text = bytes, .len = (size_t)(end - bytes)};
        if (!log_sink_write(&a->sink, LOG_DAEMON, &m)) {
            atomic_fetch_add_explicit(&a->lost, 1, memory_order_relaxed);
            counter_add(counters_self(), a->lost_counter, 1);
            all = false;
        }
    }
    return all;
}

static bool chunk_write(struct line_log *a, const struct line_chunk *c)
{
    if (a->sink.kind == LOG_SINK_SYSLOG)
        return datagrams_write(a, c->bytes, c->len);
    if (a->sink.kind == LOG_SINK_FD ? fd_write(a, c->bytes, c->len) : log_sink_write_lines(&a->sink, c->bytes, c->len, c->lines))
        return true;
    atomic_fetch_add_explicit(&a->lost, c->lines, memory_order_relaxed);
    counter_add(counters_self(), a->lost_counter, c->lines);
    return false;
}

static void chunk_deliver(struct worker *self, struct mail *m)
{
    struct line_chunk *c = CONTAINER_OF(m, struct line_chunk, mail);
    struct line_log *a = c->log;
    (void)self;
    if (chunk_write(a, c)) {
        unsigned long lost = atomic_exchange_explicit(&a->lost, 0, memory_order_relaxed);
        if (lost > 0)
            log_warning(a->name, "%lu line%s lost", lost, lost == 1 ? " was" : "s were");
    }
    atomic_fetch_sub_explicit(&a->waiting, 1, memory_order_relaxed);
    free(c);
}

static void chunk_discard(struct mail *m)
{
    struct line_chunk *c = CONTAINER_OF(m, struct line_chunk, mail);
    atomic_fetch_sub_explicit(&c->log->waiting, 1, memory_order_relaxed);
    free(c);
}

static void reopen_deliver(struct worker *self, struct mail *m)
{
    struct line_log *a = CONTAINER_OF(m, struct line_log, reopen);
    (void)self;
    atomic_store(&a->reopening, false);
    int failure = log_sink_reopen(&a->sink);
    if (failure != 0)
        log_error(a->name, "%s cannot be opened again, the old file goes on: %s", a->sink.path, strerror(failure));
}

static void reopen_discard(struct mail *m) { (void)m; }

void line_log_reopen(struct line_log *a)
{
    if (a == NULL)
        return;
    CHECK_OBJECT(a, LINE_LOG_MAGIC);
    if (!atomic_exchange(&a->reopening, true))
        worker_post(a->worker, &a->reopen);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

static int sink_open(struct log_sink *s, const char *where, const char *program)
{
    if (strcmp(where, LINE_LOG_SYSLOG) == 0)
        return log_sink_syslog(s, program, NULL);
    if (strcmp(where, LINE_LOG_STDOUT) != 0)
        return log_sink_file(s, where);
    log_sink_fd(s, STDOUT_FILENO);
    return 0;
}

struct line_log *line_log_create(const struct line_log_config *config, int *failure)
{
    struct line_log *a;
    ALLOC_OBJECT(a, LINE_LOG_MAGIC);
    if (a != NULL) {
        log_sink_fd(&a->sink, -1);
        a->name = config->name;
        a->lost_counter = config->lost;
        a->reopen = (struct mail){.deliver = reopen_deliver, .discard = reopen_discard};
        a->worker = worker_create(config->name, 0);
    }
    *failure = a == NULL || a->worker == NULL ? ENOMEM : sink_open(&a->sink, config->where, config->program);
    if (*failure != 0)
        line_log_free(&a);
    return a;
}

int line_log_start(struct line_log *a)
{
    if (a == NULL)
        return 0;
    CHECK_OBJECT(a, LINE_LOG_MAGIC);
    return worker_start(a->worker);
}

void line_log_stop(struct line_log *a)
{
    if (a == NULL)
        return;
    CHECK_OBJECT(a, LINE_LOG_MAGIC);
    atomic_store_explicit(&a->ending, true, memory_order_relaxed);
    worker_stop(a->worker);
}

void line_log_free(struct line_log **ap)
{
    struct line_log *a;
    if (*ap == NULL)
        return;
    TAKE_OBJECT(a, ap, LINE_LOG_MAGIC);
    if (a->worker != NULL)
        worker_free(&a->worker);
    log_sink_close(&a->sink);
    FREE_OBJECT(a);
}

/* -- a worker's way to it ------------------------------------------------------------------------------------------ */

static void tap_send(struct line_tap *t)
{
    struct line_chunk *c = t->chunk;
    t->chunk = NULL;
    if (c != NULL)
        worker_post(t->log->worker, &c->mail);
}

static void tap_turn(struct turn *turn) { tap_send(CONTAINER_OF(turn, struct line_tap, turn)); }

void line_tap_init(struct line_tap *t, struct line_log *log, struct worker *w)
{
    *t = (struct line_tap){.log = log, .worker = w};
    turn_init(&t->turn, tap_turn);
}

/* NULL: too much waits, or there is no memory. */
static struct line_chunk *chunk_begin(struct line_log *a)
{
    struct line_chunk *c = NULL;
    if (atomic_fetch_add_explicit(&a->waiting, 1, memory_order_relaxed) < LINE_LOG_CHUNKS_MAX)
        c = malloc(sizeof(*c));
    if (c == NULL) {
        atomic_fetch_sub_explicit(&a->waiting, 1, memory_order_relaxed);
        return NULL;
    }
    c->mail = (struct mail){.deliver = chunk_deliver, .discard = chunk_discard};
    list_init(&c->mail.node);
    c->log = a;
    c->len = 0;
    c->lines = 0;
    return c;
}

/* Room for the longest line. */
static bool tap_ready(struct line_tap *t)
{
    if (t->chunk != NULL && sizeof(t->chunk->bytes) - t->chunk->len < LINE_LOG_LINE_MAX)
        tap_send(t);
    if (t->chunk == NULL)
        t->chunk = chunk_begin(t->log);
    return t->chunk != NULL;
}

bool line_tap_begin(struct line_tap *t, struct text_line *line)
{
    if (t->log == NULL)
        return false;
    if (!tap_ready(t)) {
        atomic_fetch_add_explicit(&t->log->lost, 1, memory_order_relaxed);
        counter_add(counters_self(), t->log->lost_counter, 1);
        return false;
    }
    text_line_init(line, t->chunk->bytes + t->chunk->len, LINE_LOG_LINE_MAX);
    return true;
}

void line_tap_end(struct line_tap *t, const struct text_line *line)
{
    t->chunk->len += line->len;
    t->chunk->lines++;
    worker_at_turn(t->worker, TURN_WRITE, &t->turn);
}

void line_tap_done(struct line_tap *t)
{
    turn_cancel(&t->turn);
    if (t->log != NULL)
        tap_send(t);
}
