/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to where they go. A file keeps its descriptor's number when it is opened again, so writers need no lock. */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 192 /* what the system's log and the journal get before or behind the text */

void log_sink_fd(struct log_sink *s, int fd)
{
    *s = (struct log_sink){.kind = LOG_SINK_FD, .fd = fd, .socket = {.fd = -1}};
}

/* -- a file -------------------------------------------------------------------------------------------------------- */

static int file_open(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

int log_sink_file(struct log_sink *s, const char *path)
{
    log_sink_fd(s, -1);
    s->kind = LOG_SINK_FILE;
    s->path = strdup(path);
    if (s->path == NULL)
        return ENOMEM;
    s->fd = file_open(path);
    if (s->fd >= 0)
        return 0;
    int failure = errno;
    log_sink_close(s);
    return failure;
}

int log_sink_reopen(struct log_sink *s)
{
    if (s->kind != LOG_SINK_FILE)
        return 0;
    int fd = file_open(s->path);
    int failure = fd < 0 || dup3(fd, s->fd, O_CLOEXEC) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failure;
}

void log_sink_close(struct log_sink *s)
{
    if (s->kind == LOG_SINK_FILE && s->fd >= 0)
        close(s->fd);
    local_socket_close(&s->socket);
    free(s->path);
    log_sink_fd(s, -1);
}

/* -- sockets ------------------------------------------------------------------------------------------------------- */

static int socket_open(struct log_sink *s, enum log_sink_kind kind, const char *program, const char *path)
{
    log_sink_fd(s, -1);
    s->kind = kind;
    s->program = program;
    int failure = local_socket_open(&s->socket, path);
    /* Whether somebody listens: said at the start, and not with the first line that is lost. */
    if (failure == 0 && access(path, F_OK) != 0)
        failure = errno;
    if (failure != 0)
        log_sink_close(s);
    return failure;
}

int log_sink_syslog(struct log_sink *s, const char *program, const char *socket)
{
    return socket_open(s, LOG_SINK_SYSLOG, program, socket != NULL ? socket : LOG_SYSLOG_SOCKET);
}

int log_sink_journal(struct log_sink *s, const char *program, const char *socket)
{
    return socket_open(s, LOG_SINK_JOURNAL, program, socket != NULL ? socket : LOG_JOURNAL_SOCKET);
}

/* RFC 3164 4.1, as syslog(3) writes it: the local time, and no host. */
static bool send_syslog(struct log_sink *s, int facility, const struct log_message *m)
{
    char head[HEAD_MAX], when[32] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (localtime_r(&now, &tm) != NULL)
        strftime(when, sizeof(when), "%b %e %T", &tm);
    int len = snprintf(head, sizeof(head), "<%d>%s %.64s[%ld]: ", facility | m->severity, when, s->program, (long)getpid());
    const struct iovec parts[] = {{head, (size_t)len}, {(void *)(uintptr_t)m->text, m->len}};
    return local_socket_send(&s->socket, parts, 2);
}

/* systemd's native journal protocol: a field a line; no value of ours has an end of line. */
static bool send_journal(struct log_sink *s, const struct log_message *m)
{
    char head[HEAD_MAX], tail[2 * HEAD_MAX];
    int len = snprintf(head, sizeof(head), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%.64s\nMESSAGE=", m->severity, s->program);
    int rest = snprintf(tail, sizeof(tail), "\nMDM_TUNNEL_SUBJECT=%.256s\n", m->subject);
    const struct iovec parts[] = {{head, (size_t)len}, {(void *)(uintptr_t)m->text, m->len}, {tail, (size_t)rest}};
    return local_socket_send(&s->socket, parts, 3);
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

bool log_sink_write_lines(struct log_sink *s, const char *lines, size_t len, unsigned long count)
{
    bool written = write(s->fd, lines, len) == (ssize_t)len;
    if (!written)
        atomic_fetch_add_explicit(&s->lost, count, memory_order_relaxed);
    return written;
}

bool log_sink_write(struct log_sink *s, int facility, const struct log_message *m)
{
    if (s->kind == LOG_SINK_FD || s->kind == LOG_SINK_FILE)
        return log_sink_write_lines(s, m->text, m->len, 1);
    bool sent = s->kind == LOG_SINK_SYSLOG ? send_syslog(s, facility, m) : send_journal(s, m);
    if (!sent)
        atomic_fetch_add_explicit(&s->lost, 1, memory_order_relaxed);
    return sent;
}
