/* SPDX-License-Identifier: Apache-2.0 */
/* A file under watch: inotify(7) on its directory, and on that of the file behind a symbolic link. */
#include "base/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_MAGIC 0x3a7c11e5u

#define EVENTS                                                                                                         \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

static const struct timeval settle_time = {0, 100000}, retry_time = {1, 0};

/* What tells one content from another without reading it. */
struct look {
    bool there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

enum place { PLACE_PATH, PLACE_TARGET, PLACES };

struct watch {
    OBJECT_MAGIC;
    int fd;
    int directories[PLACES]; /* watch descriptors, -1: none */
    struct event *readable, *timer;
    struct look look;
    bool named; /* an event told the file's own name: it has changed, however it looks */
    void (*changed)(void *ctx);
    void *ctx;
    const char *base_name;
    char path[];
};

static struct look look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct look){.there = false};
    return (struct look){true, st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static bool time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool look_equal(const struct look *a, const struct look *b)
{
    return a->there == b->there && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           time_equal(a->written, b->written) && time_equal(a->changed, b->changed);
}

/* Watches the directory that `path` is in now. Watching one directory twice is one watch. */
static void directory_watch(struct watch *w, enum place place, const char *path)
{
    char copy[PATH_MAX];
    int before = w->directories[place], now = -1;
    if (path != NULL && strlen(path) < sizeof(copy))
        now = inotify_add_watch(w->fd, dirname(strcpy(copy, path)), EVENTS | IN_ONLYDIR);
    w->directories[place] = now;
    if (before >= 0 && before != w->directories[PLACE_PATH] && before != w->directories[PLACE_TARGET])
        inotify_rm_watch(w->fd, before);
}

static void directories_watch(struct watch *w)
{
    char target[PATH_MAX];
    directory_watch(w, PLACE_PATH, w->path);
    directory_watch(w, PLACE_TARGET, realpath(w->path, target));
}

static bool event_names(const struct watch *w, const struct inotify_event *e)
{
    return e->len > 0 && e->wd == w->directories[PLACE_PATH] && strcmp(e->name, w->base_name) == 0;
}

static void inotify_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct watch *w = arg;
    CHECK_OBJECT(w, WATCH_MAGIC);
    _Alignas(struct inotify_event) char buffer[4096];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
        for (char *at = buffer; at < buffer + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(void *)at;
            w->named |= event_names(w, e);
            at += sizeof(*e) + e->len;
        }
    }
    /* Not put off by further events: a busy directory must not hold the news back. */
    if (!event_pending(w->timer, EV_TIMEOUT, NULL) || w->directories[PLACE_PATH] < 0)
        event_add(w->timer, &settle_time);
}

static void settled(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct watch *w = arg;
    CHECK_OBJECT(w, WATCH_MAGIC);
    directories_watch(w); /* before the look: what comes after it is an event */
    struct look now = look_at(w->path);
    bool changed = w->named || !look_equal(&now, &w->look);
    w->look = now;
    w->named = false;
    if (w->directories[PLACE_PATH] < 0)
        event_add(w->timer, &retry_time);
    if (changed)
        w->changed(w->ctx);
}

struct watch *watch_create(struct worker *worker, const char *path, void (*changed)(void *ctx), void *ctx)
{
    struct watch *w = calloc(1, sizeof(*w) + strlen(path) + 1);
    if (w == NULL)
        return NULL;
    w->magic = WATCH_MAGIC;
    w->changed = changed;
    w->ctx = ctx;
    strcpy(w->path, path);
    const char *slash = strrchr(w->path, '/');
    w->base_name = slash != NULL ? slash + 1 : w->path;
    for (unsigned i = 0; i < PLACES; i++)
        w->directories[i] = -1;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        goto failed;
    w->readable = event_new(worker_events(worker), w->fd, EV_READ | EV_PERSIST, inotify_readable, w);
    w->timer = event_new(worker_events(worker), -1, 0, settled, w);
    if (w->readable == NULL || w->timer == NULL || event_add(w->readable, NULL) != 0)
        goto failed;
    directories_watch(w);
    w->look = look_at(w->path);
    if (w->directories[PLACE_PATH] < 0 && event_add(w->timer, &retry_time) != 0)
        goto failed;
    return w;
failed:;
    int error = w->fd < 0 ? errno : ENOMEM;
    watch_free(&w);
    errno = error;
    return NULL;
}

void watch_free(struct watch **wp)
{
    if (*wp == NULL)
        return;
    struct watch *w;
    TAKE_OBJECT(w, wp, WATCH_MAGIC);
    if (w->readable != NULL)
        event_free(w->readable);
    if (w->timer != NULL)
        event_free(w->timer);
    if (w->fd >= 0)
        close(w->fd);
    FREE_OBJECT(w);
}
