/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about tunnels. */
#include "client/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/object.h"

#define LINE_BYTES 1536

struct audit {
    OBJECT_MAGIC;
    pthread_mutex_t lock;
    char path[PATH_TEXT_MAX]; /* "": the system's log */
    int fd;                   /* -1: it cannot be opened now */
    off_t size;
    bool told; /* that it cannot be written to */
};
#define AUDIT_MAGIC 0x61756469

/* -- the file ------------------------------------------------------------------------------------------------------ */

/* With the lock, or before there are others. */
static bool file_open(struct audit *a)
{
    struct stat st;
    if (a->fd >= 0)
        close(a->fd);
    a->fd = open(a->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (a->fd < 0)
        return false;
    a->size = fstat(a->fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
    return true;
}

static void file_rotate(struct audit *a)
{
    char before[PATH_TEXT_MAX + 2];
    struct stat st;
    if (fstat(a->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    snprintf(before, sizeof(before), "%s.1", a->path);
    if (rename(a->path, before) == 0)
        file_open(a);
}

struct audit *audit_create(const char *where, const struct state *state, struct config_error *err)
{
    struct audit *a;
    ALLOC_OBJECT(a, AUDIT_MAGIC);
    if (a == NULL) {
        config_error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->fd = -1;
    if (where != NULL && strcmp(where, AUDIT_SYSLOG) == 0) {
        openlog("mdm-tunnel-client", LOG_PID, LOG_AUTHPRIV);
        return a;
    }
    int len = where != NULL ? snprintf(a->path, sizeof(a->path), "%s", where)
                            : snprintf(a->path, sizeof(a->path), "%s/" AUDIT_FILE, state_directory(state));
    if (len >= 0 && len < (int)sizeof(a->path) && file_open(a))
        return a;
    config_error_set(err, "audit: cannot write %.256s: %s", a->path, strerror(errno));
    audit_free(&a);
    return NULL;
}

void audit_free(struct audit **ap)
{
    struct audit *a;
    if (*ap == NULL)
        return;
    TAKE_OBJECT(a, ap, AUDIT_MAGIC);
    if (a->fd >= 0)
        close(a->fd);
    if (a->path[0] == '\0')
        closelog();
    pthread_mutex_destroy(&a->lock);
    FREE_OBJECT(a);
}

void audit_reopen(struct audit *a)
{
    if (a == NULL)
        return;
    CHECK_OBJECT(a, AUDIT_MAGIC);
    pthread_mutex_lock(&a->lock);
    if (a->path[0] != '\0' && !file_open(a))
        log_warning("audit", "cannot write %s: %s", a->path, strerror(errno));
    a->told = false;
    pthread_mutex_unlock(&a->lock);
}

/* -- lines --------------------------------------------------------------------------------------------------------- */

/* A value in quotes, so that nothing that somebody said looks like another field or line. */
static size_t value_write(char *out, size_t size, const char *name, const char *value)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = (size_t)snprintf(out, size, " %s=\"", name);
    for (const unsigned char *at = (const unsigned char *)value; *at != '\0' && len + 8 < size; at++) {
        if (*at >= ' ' && *at <= '~' && *at != '"' && *at != '\\') {
            out[len++] = (char)*at;
        } else {
            memcpy(out + len, (char[4]){'\\', 'x', digits[*at >> 4], digits[*at & 15]}, 4);
            len += 4;
        }
    }
    out[len++] = '"';
    out[len] = '\0';
    return len;
}

static void time_text(int64_t at_s, char out[static 24])
{
    time_t at = (time_t)at_s;
    struct tm tm;
    if (gmtime_r(&at, &tm) == NULL || strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, 24, "-");
}

static size_t line_write(const struct audit_line *l, bool with_time, char out[static LINE_BYTES])
{
    const struct {
        const char *name, *value;
    } words[] = {{"who", l->who}, {"key", l->key}, {"kind", l->kind}, {"what", l->what}, {"from", l->from}};
    char when[24];
    size_t len = 0;
    time_text(time(NULL), when);
    len = (size_t)snprintf(out, 64, "%s%s%s", with_time ? when : "", with_time ? " " : "", l->event);
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        len += value_write(out + len, 300, words[i].name, words[i].value);
    time_text(l->since_s, when);
    len += (size_t)snprintf(out + len, LINE_BYTES - len, " since=%s seconds=%.3f bytes_to=%llu bytes_from=%llu", when, l->seconds,
                            l->bytes_to, l->bytes_from);
    len += value_write(out + len, LINE_BYTES - len - 1, "why", l->why);
    return len;
}

static void file_write(struct audit *a, char *line, size_t len)
{
    line[len++] = '\n';
    if (a->fd >= 0 && a->size > 0 && a->size + (off_t)len > (off_t)AUDIT_FILE_MAX)
        file_rotate(a);
    ssize_t written = a->fd >= 0 ? write(a->fd, line, len) : -1;
    if (written > 0)
        a->size += written;
    if (written != (ssize_t)len && !a->told)
        log_warning("audit", "cannot write %s: %s", a->path, strerror(errno));
    a->told = written != (ssize_t)len;
}

void audit_write(struct audit *a, const struct audit_line *line)
{
    char text[LINE_BYTES];
    if (a == NULL)
        return;
    CHECK_OBJECT(a, AUDIT_MAGIC);
    size_t len = line_write(line, a->path[0] != '\0', text);
    pthread_mutex_lock(&a->lock);
    if (a->path[0] != '\0')
        file_write(a, text, len);
    else
        syslog(LOG_INFO, "%s", text);
    pthread_mutex_unlock(&a->lock);
}
