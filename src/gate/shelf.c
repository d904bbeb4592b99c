/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets that were there before. */
#include "gate/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/object.h"
#include "gate/listener.h"

#define SHELF_MAGIC 0x7368656c
#define LISTEN_FDS_START 3

struct shelf {
    OBJECT_MAGIC;
    struct list books;
};

/* One socket. */
struct book {
    struct list node;
    int fd;
    bool firm;
    struct listener_place at;
    char name[SHELF_NAME_MAX + 1];
};

struct shelf *shelf_create(void)
{
    struct shelf *s;

    ALLOC_OBJECT(s, SHELF_MAGIC);
    if (s != NULL)
        list_init(&s->books);
    return s;
}

static void book_free(struct book *b)
{
    if (b->fd >= 0)
        close(b->fd);
    list_remove(&b->node);
    free(b);
}

static void shelf_sweep(struct shelf *s, bool all)
{
    LIST_FOREACH_SAFE(node, next, &s->books) {
        struct book *b = CONTAINER_OF(node, struct book, node);
        if (all || !b->firm)
            book_free(b);
    }
}

void shelf_clear(struct shelf *s)
{
    CHECK_OBJECT(s, SHELF_MAGIC);
    shelf_sweep(s, false);
}

void shelf_free(struct shelf **sp)
{
    struct shelf *s;

    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, SHELF_MAGIC);
    shelf_sweep(s, true);
    FREE_OBJECT(s);
}

/* -- filling it ---------------------------------------------------------------------------------------------------- */

/* NULL and what it is bound to, or what is wrong with it. */
static const char *book_read(struct book *b)
{
    int type = 0, listens = 0;
    socklen_t len = sizeof(type);

    if (getsockopt(b->fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
        return strerror(errno);
    len = sizeof(listens);
    if (type != SOCK_STREAM || getsockopt(b->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 || !listens ||
        !listener_place(b->fd, &b->at))
        return "not a TCP socket that listens";
    int flags = fcntl(b->fd, F_GETFL);
    if (flags < 0 || fcntl(b->fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(b->fd, F_SETFD, FD_CLOEXEC) != 0 ||
        !listener_keep_alive(b->fd))
        return strerror(errno);
    return NULL;
}

const char *shelf_put(struct shelf *s, const char *name, int fd, bool firm)
{
    struct book *b = calloc(1, sizeof(*b));

    CHECK_OBJECT(s, SHELF_MAGIC);
    if (b == NULL) {
        close(fd);
        return strerror(ENOMEM);
    }
    list_init(&b->node);
    b->fd = fd;
    b->firm = firm;
    snprintf(b->name, sizeof(b->name), "%s", name);
    const char *why = book_read(b);
    if (why == NULL)
        list_append(&s->books, &b->node);
    else
        book_free(b);
    return why;
}

static bool number_is(const char *name, unsigned long *out)
{
    const char *text = getenv(name);
    char *end = NULL;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    *out = strtoul(text, &end, 10);
    return *end == '\0';
}

bool shelf_read_environment(struct shelf *s, char *why, size_t size)
{
    unsigned long pid, count = 0;
    bool ours = number_is("LISTEN_PID", &pid) && pid == (unsigned long)getpid() && number_is("LISTEN_FDS", &count);
    const char *names = getenv("LISTEN_FDNAMES"), *wrong = NULL;

    for (unsigned long i = 0; ours && i < count && wrong == NULL; i++) {
        size_t len = names != NULL ? strcspn(names, ":") : 0;
        char name[SHELF_NAME_MAX + 1];
        snprintf(name, sizeof(name), "%.*s", (int)(len > SHELF_NAME_MAX ? SHELF_NAME_MAX : len), len > 0 ? names : "");
        names = names != NULL && names[len] == ':' ? names + len + 1 : NULL;
        wrong = shelf_put(s, name, LISTEN_FDS_START + (int)i, true);
        if (wrong != NULL)
            snprintf(why, size, "socket %lu (%s): %s", i + 1, name[0] != '\0' ? name : "without a name", wrong);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return wrong == NULL;
}

/* -- looking ------------------------------------------------------------------------------------------------------- */

static bool book_fits(const struct book *b, const struct shelf_wish *w)
{
    bool named = w->name != NULL && strcmp(b->name, w->name) == 0, there = listener_place_is(&b->at, w->address);

    if (named && (b->firm || (w->port == 0 && there)))
        return true;
    return w->port != 0 && w->port == b->at.port && there;
}

/* Moves those that fit to `out`; their number. */
static unsigned books_find(struct shelf *s, const struct shelf_wish *w, struct list *out)
{
    struct shelf_wish wish = *w;
    unsigned count = 0;

    list_init(out);
    if (s == NULL)
        return 0;
    CHECK_OBJECT(s, SHELF_MAGIC);
    LIST_FOREACH_SAFE(node, next, &s->books) {
        const struct book *b = CONTAINER_OF(node, struct book, node);
        if (count == WORKERS_MAX || !book_fits(b, &wish))
            continue;
        wish.port = b->at.port; /* one listener has one port */
        list_remove(node);
        list_append(out, node);
        count++;
    }
    return count;
}

/* 0, for the caller to return; errno stays. */
static unsigned fds_close(const int *fds, unsigned count)
{
    int failure = errno;

    while (count > 0)
        close(fds[--count]);
    errno = failure;
    return 0;
}

static unsigned listen_anew(struct shelf_wish *w, unsigned count, bool first, int *fds)
{
    for (unsigned i = 0; i < count; i++) {
        fds[i] = listener_open(w->address, &w->port, i == 0 && first);
        if (fds[i] < 0)
            return fds_close(fds, i);
    }
    return count;
}

unsigned shelf_listen(struct shelf *s, struct shelf_wish *w, unsigned count, bool first, int fds[static WORKERS_MAX])
{
    struct list books;
    unsigned there = books_find(s, w, &books), i = 0;

    if (there == 0)
        return listen_anew(w, count, first, fds);
    for (struct list *node; (node = list_shift(&books)) != NULL;) {
        struct book *b = CONTAINER_OF(node, struct book, node);
        w->port = b->at.port;
        fds[i++] = b->fd;
        b->fd = -1;
        book_free(b);
    }
    for (; i < count; i++) {
        fds[i] = fcntl(fds[i % there], F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0)
            return fds_close(fds, i);
    }
    return i;
}

int shelf_take(struct shelf *s, const struct shelf_wish *w)
{
    struct list books;
    int fd = -1;

    books_find(s, w, &books);
    for (struct list *node; (node = list_shift(&books)) != NULL;) {
        struct book *b = CONTAINER_OF(node, struct book, node);
        if (fd < 0) {
            fd = b->fd;
            b->fd = -1;
        }
        book_free(b);
    }
    return fd;
}

bool shelf_left(const struct shelf *s, char *out, size_t size)
{
    CHECK_OBJECT(s, SHELF_MAGIC);
    if (list_empty(&s->books))
        return false;
    const struct book *b = CONTAINER_OF(s->books.next, struct book, node);
    snprintf(out, size, "%s (port %u)", b->name[0] != '\0' ? b->name : "without a name", b->at.port);
    return true;
}
