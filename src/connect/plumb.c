/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output. */
#include "connect/plumb.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/object.h"
#include "mdm-tunnel/limits.h"

#define BLOCK (64 * KIB)

struct plumb {
    OBJECT_MAGIC;
    int socket; /* the threads' end */
    pthread_t in, out;
};
#define PLUMB_MAGIC 0x706c756d

static bool write_all(int fd, const char *at, size_t left)
{
    while (left > 0) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EAGAIN) { /* somebody who shares it made it non-blocking */
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        } else if (n < 0 && errno != EINTR)
            return false;
        else if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return true;
}

/* Input may never end: the other end's closing ends the wait for it. */
static bool input_wait(const struct plumb *p)
{
    struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = p->socket, .events = 0}};
    while (poll(wait, 2, -1) < 0 && errno == EINTR)
        ;
    return wait[1].revents == 0;
}

static void *run_in(void *arg)
{
    const struct plumb *p = arg;
    char *block = malloc(BLOCK);
    while (block != NULL && input_wait(p)) {
        ssize_t n = read(STDIN_FILENO, block, BLOCK);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0 || !write_all(p->socket, block, (size_t)n))
            break;
    }
    free(block);
    shutdown(p->socket, SHUT_WR);
    return NULL;
}

static void *run_out(void *arg)
{
    const struct plumb *p = arg;
    char *block = malloc(BLOCK);
    for (ssize_t n = 1; block != NULL && n > 0;) {
        n = read(p->socket, block, BLOCK);
        if (n > 0 && !write_all(STDOUT_FILENO, block, (size_t)n))
            n = 0;
        else if (n < 0 && errno == EINTR)
            n = 1;
    }
    free(block);
    close(STDOUT_FILENO); /* who reads sees the end although input goes on */
    shutdown(p->socket, SHUT_RD);
    return NULL;
}

struct plumb *plumb_create(int *fd)
{
    struct plumb *p;
    int pair[2];
    ALLOC_OBJECT(p, PLUMB_MAGIC);
    if (p == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        free(p);
        return NULL;
    }
    p->socket = pair[0];
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    int error = pthread_create(&p->in, NULL, run_in, p);
    if (error == 0 && (error = pthread_create(&p->out, NULL, run_out, p)) != 0) {
        close(pair[1]);
        pthread_join(p->in, NULL);
    } else if (error == 0) {
        *fd = pair[1];
        return p;
    } else
        close(pair[1]);
    close(pair[0]);
    free(p);
    errno = error;
    return NULL;
}

void plumb_free(struct plumb **pp)
{
    struct plumb *p;
    if (*pp == NULL)
        return;
    TAKE_OBJECT(p, pp, PLUMB_MAGIC);
    pthread_join(p->out, NULL);
    pthread_join(p->in, NULL);
    close(p->socket);
    FREE_OBJECT(p);
}
