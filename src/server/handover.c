/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes and the sockets between them. */
#include "server/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HANDOVER_VERSION "mdm-tunnel-server 1"
#define SUCCESSOR_FD 3 /* its end */
#define GIFTS_AT_ONCE 32
#define WORDS_MAX 600
#define MESSAGE_MAX (GIFTS_AT_ONCE * (SHELF_NAME_MAX + 1))
#define END_TRIES 100 /* at 10 ms, for one that is about to end by itself */

extern char **environ;

/* -- what is given ------------------------------------------------------------------------------------------------- */

void gifts_add(struct gifts *g, const char *name, int fd)
{
    if (g->count == g->size) {
        unsigned size = g->size == 0 ? 8 : 2 * g->size;
        struct gift *list = realloc(g->list, size * sizeof(*list));
        if (list == NULL) {
            g->failed = true;
            return;
        }
        g->list = list;
        g->size = size;
    }
    struct gift *gift = &g->list[g->count];
    snprintf(gift->name, sizeof(gift->name), "%s", name);
    /* ThreadSanitizer hears of dup(), and not of F_DUPFD_CLOEXEC: the number may be one that another worker has just closed. */
    gift->fd = dup(fd);
    if (gift->fd < 0) {
        g->failed = true;
        return;
    }
    fcntl(gift->fd, F_SETFD, FD_CLOEXEC);
    g->count++;
}

void gifts_done(struct gifts *g)
{
    for (unsigned i = 0; i < g->count; i++)
        close(g->list[i].fd);
    free(g->list);
    *g = (struct gifts){.list = NULL};
}

/* -- messages ------------------------------------------------------------------------------------------------------ */

static bool message_send(int fd, const char *text, size_t len, const int *fds, unsigned count)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(GIFTS_AT_ONCE * sizeof(int))];
    } control = {.space = {0}};
    struct iovec part = {(void *)(uintptr_t)text, len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        m.msg_control = control.space;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

static bool word_send(int fd, const char *word) { return message_send(fd, word, strlen(word) + 1, NULL, 0); }

struct message {
    char text[MESSAGE_MAX + 1];
    int fds[GIFTS_AT_ONCE];
    unsigned count;
};

static void message_drop(struct message *m)
{
    while (m->count > 0)
        close(m->fds[--m->count]);
}

/* 1; 0: the other end is gone; -1 and errno. */
static int message_receive(int fd, struct message *out, int flags)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(GIFTS_AT_ONCE * sizeof(int))];
    } control;
    struct iovec part = {out->text, MESSAGE_MAX};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)};
    ssize_t n;

    out->count = 0;
    do
        n = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET)); /* it has left something unread; what it has said comes after that */
    if (n < 0)
        return -1;
    out->text[n] = '\0';
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        out->count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(out->fds, CMSG_DATA(c), out->count * sizeof(int));
    }
    if (n == 0) { /* an empty message looks the same */
        message_drop(out);
        return 0;
    }
    if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        return 1;
    message_drop(out);
    errno = EMSGSIZE;
    return -1;
}

static void patience_set(int fd)
{
    const struct timeval patience = {.tv_sec = HANDOVER_WAIT_S};

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* -- the old process ----------------------------------------------------------------------------------------------- */

/* The variables of this process, without those that name it. Heap; NULL without memory. The texts are not copies. */
static char **environment_make(char *own)
{
    static const char *const not_for_others[] = {HANDOVER_VARIABLE "=", "WATCHDOG_PID=", "LISTEN_PID="};
    size_t count = 0, kept = 0;

    while (environ[count] != NULL)
        count++;
    char **out = calloc(count + 2, sizeof(*out));
    for (size_t i = 0; i < count && out != NULL; i++) {
        bool ours = false;
        for (size_t k = 0; k < sizeof(not_for_others) / sizeof(not_for_others[0]); k++)
            ours |= strncmp(environ[i], not_for_others[k], strlen(not_for_others[k])) == 0;
        if (!ours)
            out[kept++] = environ[i];
    }
    if (out != NULL)
        out[kept] = own;
    return out;
}

/* 0 or an errno. Signals are as a program finds them, and no descriptor goes along but the three, and `end`. */
static int process_start(pid_t *pid, char *const argv[], int end)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char variable[64];

    snprintf(variable, sizeof(variable), HANDOVER_VARIABLE "=%d", SUCCESSOR_FD);
    char **environment = environment_make(variable);
    if (environment == NULL)
        return ENOMEM;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int failure = posix_spawn_file_actions_adddup2(&actions, end, SUCCESSOR_FD);
    if (failure == 0)
        failure = posix_spawn_file_actions_addclosefrom_np(&actions, SUCCESSOR_FD + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (failure == 0)
        failure = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return failure;
}

static bool gifts_send(int fd, const struct gifts *g)
{
    for (unsigned at = 0; at < g->count;) {
        char names[MESSAGE_MAX];
        int fds[GIFTS_AT_ONCE];
        size_t len = 0;
        unsigned count = 0;
        for (; at < g->count && count < GIFTS_AT_ONCE; at++, count++) {
            fds[count] = g->list[at].fd;
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s\n", g->list[at].name);
        }
        if (!message_send(fd, names, len, fds, count))
            return false;
    }
    return true;
}

bool successor_start(struct successor *n, char *const argv[], const struct gifts *const gifts[], unsigned count, char *why, size_t size)
{
    int pair[2];

    *n = (struct successor){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        snprintf(why, size, "socket: %s", strerror(errno));
        return false;
    }
    int failure = process_start(&n->pid, argv, pair[1]);
    close(pair[1]);
    if (failure != 0) {
        close(pair[0]);
        snprintf(why, size, "%s: %s", argv[0], strerror(failure));
        return false;
    }
    n->fd = pair[0];
    patience_set(n->fd);
    bool sent = word_send(n->fd, HANDOVER_VERSION);
    for (unsigned i = 0; i < count && sent; i++)
        sent = gifts_send(n->fd, gifts[i]);
    if (sent && word_send(n->fd, ""))
        return true;
    int failed = errno;
    if (successor_heard(n, why, size) != SUCCESSOR_FAILED) { /* else it has ended before, and said why */
        snprintf(why, size, "it does not take the sockets: %s", strerror(failed));
        successor_end(n);
    }
    return false;
}

/* The status of one that has ended, or is about to; else it is killed. */
static int successor_wait(struct successor *n)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int status = 0;

    for (unsigned i = 0; i < END_TRIES; i++) {
        if (waitpid(n->pid, &status, WNOHANG) == n->pid)
            return status;
        nanosleep(&pause, NULL);
    }
    kill(n->pid, SIGKILL);
    waitpid(n->pid, &status, 0);
    return status;
}

static void successor_forget(struct successor *n)
{
    close(n->fd);
    n->fd = -1;
}

enum successor_news successor_heard(struct successor *n, char *why, size_t size)
{
    struct message m;
    int got = message_receive(n->fd, &m, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return SUCCESSOR_SILENT;
    if (got > 0) {
        message_drop(&m);
        if (strcmp(m.text, "ready") == 0)
            return SUCCESSOR_READY;
    }
    bool told = got > 0 && strncmp(m.text, "failed ", 7) == 0;
    int status = successor_wait(n);
    successor_forget(n);
    if (told)
        snprintf(why, size, "%s", m.text + 7);
    else if (WIFSIGNALED(status))
        snprintf(why, size, "it was ended by signal %d", WTERMSIG(status));
    else
        snprintf(why, size, "it ended with status %d", WEXITSTATUS(status));
    return SUCCESSOR_FAILED;
}

void successor_yours(struct successor *n)
{
    word_send(n->fd, "yours");
    successor_forget(n);
}

void successor_end(struct successor *n)
{
    if (n->fd < 0)
        return;
    kill(n->pid, SIGKILL);
    waitpid(n->pid, NULL, 0);
    successor_forget(n);
}

/* -- the new process ----------------------------------------------------------------------------------------------- */

/* Takes one descriptor. NULL, or what is wrong. */
static const char *gift_take(struct predecessor *p, struct shelf *shelf, const char *name, int fd)
{
    if (strcmp(name, HANDOVER_ELDERS) != 0)
        return shelf_put(shelf, name, fd, false);
    if (p->elders >= 0)
        close(p->elders);
    p->elders = fd;
    return NULL;
}

static const char *gifts_take(struct predecessor *p, struct shelf *shelf, struct message *m)
{
    const char *wrong = NULL;
    unsigned taken = 0;
    char *rest = m->text, *end;

    for (; taken < m->count && wrong == NULL && (end = strchr(rest, '\n')) != NULL; rest = end + 1) {
        *end = '\0';
        wrong = gift_take(p, shelf, rest, m->fds[taken++]);
    }
    for (unsigned i = taken; i < m->count; i++)
        close(m->fds[i]);
    if (wrong != NULL)
        return wrong;
    return taken < m->count ? "a socket without a name" : *rest != '\0' ? "a name without a socket" : NULL;
}

static bool predecessor_read(struct predecessor *p, struct shelf *shelf, char *why, size_t size)
{
    struct message m;
    const char *wrong = NULL;
    int got = message_receive(p->fd, &m, 0);

    if (got > 0 && strcmp(m.text, HANDOVER_VERSION) != 0) {
        message_drop(&m);
        snprintf(why, size, "the old process speaks another version of the handover: restart it");
        return false;
    }
    while (got > 0 && wrong == NULL && (got = message_receive(p->fd, &m, 0)) > 0 && m.text[0] != '\0')
        wrong = gifts_take(p, shelf, &m);
    if (got > 0 && wrong == NULL)
        return true;
    snprintf(why, size, "sockets of the old process: %s", wrong != NULL ? wrong : got == 0 ? "it is gone" : strerror(errno));
    return false;
}

bool predecessor_open(struct predecessor *p, struct shelf *shelf, char *why, size_t size)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    int type = 0;
    socklen_t len = sizeof(type);

    *p = (struct predecessor){.fd = -1, .elders = -1};
    if (text == NULL)
        return true;
    bool ours = strcmp(text, "3") == 0 && getsockopt(SUCCESSOR_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
    unsetenv(HANDOVER_VARIABLE);
    if (!ours) {
        snprintf(why, size, "%s is for a process that another one starts", HANDOVER_VARIABLE);
        return false;
    }
    p->fd = SUCCESSOR_FD;
    fcntl(p->fd, F_SETFD, FD_CLOEXEC);
    patience_set(p->fd);
    return predecessor_read(p, shelf, why, size);
}

static void predecessor_forget(struct predecessor *p)
{
    close(p->fd);
    p->fd = -1;
}

void predecessor_ready(struct predecessor *p)
{
    struct message m;

    if (p->fd < 0)
        return;
    if (word_send(p->fd, "ready") && message_receive(p->fd, &m, 0) > 0)
        message_drop(&m);
    predecessor_forget(p);
}

void predecessor_failed(struct predecessor *p, const char *why)
{
    char words[WORDS_MAX];

    if (p->fd < 0)
        return;
    snprintf(words, sizeof(words), "failed %s", why);
    word_send(p->fd, words);
    predecessor_forget(p);
}
