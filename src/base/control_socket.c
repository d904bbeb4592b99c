/* SPDX-License-Identifier: Apache-2.0 */
/* The end that answers. */
#include "base/control_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/control_path.h"
#include "base/list.h"
#include "base/object.h"
#include "base/worker.h"
#include "mdm-tunnel/limits.h"

struct control_socket {
    OBJECT_MAGIC;
    struct worker *worker;
    control_fn *asked;
    void *ctx;
    int fd;
    struct event accept;
    struct list questions;
    unsigned count;
    struct sockaddr_un address;
};
#define CONTROL_SOCKET_MAGIC 0x63736f63

/* One connection: its line is read, then its answer is written. */
struct control_question {
    OBJECT_MAGIC;
    struct list node;
    struct control_socket *socket;
    int fd;
    struct event event;
    size_t len; /* of the line; then what has been written of the answer */
    char line[CONTROL_LINE_MAX + 1];
    char *answer;
    size_t answer_len;
};
#define CONTROL_QUESTION_MAGIC 0x63717565

static const struct timeval patience = {CONTROL_WAIT_S, 0};

static void question_free(struct control_question *q)
{
    event_del(&q->event);
    close(q->fd);
    list_remove(&q->node);
    q->socket->count--;
    free(q->answer);
    FREE_OBJECT(q);
}

static struct control_question *question_of(void *arg)
{
    struct control_question *q = arg;
    CHECK_OBJECT(q, CONTROL_QUESTION_MAGIC);
    return q;
}

/* -- the answer ---------------------------------------------------------------------------------------------------- */

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct control_question *q = question_of(arg);
    ssize_t n = what & EV_TIMEOUT ? 0 : send(fd, q->answer + q->len, q->answer_len - q->len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        n = 0;
    else if (n <= 0) {
        question_free(q);
        return;
    }
    q->len += (size_t)n;
    if (q->len == q->answer_len || event_add(&q->event, &patience) != 0)
        question_free(q);
}

void control_answer(struct control_question **qp, char *text)
{
    struct control_question *q;
    TAKE_OBJECT(q, qp, CONTROL_QUESTION_MAGIC);
    q->answer = text;
    q->answer_len = text != NULL ? strlen(text) : 0;
    q->len = 0;
    event_assign(&q->event, worker_events(q->socket->worker), q->fd, EV_WRITE, on_writable, q);
    if (q->answer_len == 0 || event_add(&q->event, &patience) != 0)
        question_free(q);
}

/* -- the line ------------------------------------------------------------------------------------------------------ */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct control_question *q = question_of(arg);
    ssize_t n = what & EV_TIMEOUT ? 0 : recv(fd, q->line + q->len, CONTROL_LINE_MAX - q->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        n = 0;
    else if (n <= 0) {
        question_free(q);
        return;
    }
    q->len += (size_t)n;
    q->line[q->len] = '\0';
    char *end = memchr(q->line, '\n', q->len);
    if (end != NULL && strlen(q->line) >= (size_t)(end - q->line)) {
        *end = '\0';
        q->socket->asked(q->socket->ctx, q, q->line);
    } else if (end != NULL || q->len == CONTROL_LINE_MAX || event_add(&q->event, &patience) != 0) {
        question_free(q);
    }
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct control_socket *s = arg;
    struct control_question *q;
    (void)what;
    CHECK_OBJECT(s, CONTROL_SOCKET_MAGIC);
    int taken = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (taken < 0)
        return;
    if (s->count == CONTROL_QUESTIONS_MAX) {
        close(taken);
        return;
    }
    ALLOC_OBJECT(q, CONTROL_QUESTION_MAGIC);
    if (q == NULL) {
        close(taken);
        return;
    }
    q->socket = s;
    q->fd = taken;
    s->count++;
    list_append(&s->questions, &q->node);
    event_assign(&q->event, worker_events(s->worker), taken, EV_READ, on_readable, q);
    if (event_add(&q->event, &patience) != 0)
        question_free(q);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

/* What a program left behind that was killed: nobody listens there. */
static void sweep(void *ctx, const struct sockaddr_un *at)
{
    (void)ctx;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 && errno == ECONNREFUSED)
        unlink(at->sun_path);
    close(fd);
}

/* It gets its name when it listens: what is not listened at may be swept away. */
static int socket_listen(const struct sockaddr_un *named)
{
    struct sockaddr_un fresh = {.sun_family = AF_UNIX};
    int len = snprintf(fresh.sun_path, sizeof(fresh.sun_path), "%s.new", named->sun_path);
    if (len >= (int)sizeof(fresh.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    unlink(fresh.sun_path);
    if (fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&fresh, sizeof(fresh)) == 0 && listen(fd, CONTROL_QUESTIONS_MAX) == 0 &&
        rename(fresh.sun_path, named->sun_path) == 0)
        return fd;
    int error = errno;
    unlink(fresh.sun_path);
    close(fd);
    errno = error;
    return -1;
}

struct control_socket *control_socket_open(struct worker *w, const char *directory, const char *program, control_fn *asked, void *ctx)
{
    struct control_socket *s;
    ALLOC_OBJECT(s, CONTROL_SOCKET_MAGIC);
    if (s == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    s->worker = w;
    s->asked = asked;
    s->ctx = ctx;
    list_init(&s->questions);
    control_paths(directory, program, sweep, NULL);
    s->fd = control_path(directory, program, getpid(), &s->address) ? socket_listen(&s->address) : -1;
    if (s->fd < 0) {
        int error = errno;
        FREE_OBJECT(s);
        errno = error;
        return NULL;
    }
    event_assign(&s->accept, worker_events(w), s->fd, EV_READ | EV_PERSIST, on_accept, s);
    event_add(&s->accept, NULL);
    return s;
}

void control_socket_free(struct control_socket **sp)
{
    struct control_socket *s;
    if (*sp == NULL)
        return;
    TAKE_OBJECT(s, sp, CONTROL_SOCKET_MAGIC);
    unlink(s->address.sun_path);
    event_del(&s->accept);
    close(s->fd);
    LIST_FOREACH_SAFE (node, next, &s->questions)
        question_free(CONTAINER_OF(node, struct control_question, node));
    FREE_OBJECT(s);
}
