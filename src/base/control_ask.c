/* SPDX-License-Identifier: Apache-2.0 */
/* The end that asks, and where the sockets are. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control_path.h"
#include "base/control_socket.h"
#include "mdm-tunnel/limits.h"

/* -- where --------------------------------------------------------------------------------------------------------- */

bool control_path(const char *directory, const char *program, pid_t pid, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(out->sun_path, sizeof(out->sun_path), "%s/%s.%d.sock", directory, program, (int)pid);
    if (len < (int)sizeof(out->sun_path))
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* The process in "PROGRAM.PID.sock"; 0: it is another name. */
static pid_t name_pid(const char *name, const char *program)
{
    size_t len = strlen(program);
    if (strncmp(name, program, len) != 0 || name[len] != '.' || name[len + 1] < '1' || name[len + 1] > '9')
        return 0;
    char *end;
    long pid = strtol(name + len + 1, &end, 10);
    return strcmp(end, ".sock") == 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

void control_paths(const char *directory, const char *program, void (*each)(void *ctx, const struct sockaddr_un *at), void *ctx)
{
    struct sockaddr_un at;
    DIR *dir = opendir(directory);
    for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        pid_t pid = name_pid(e->d_name, program);
        if (pid != 0 && control_path(directory, program, pid, &at))
            each(ctx, &at);
    }
    if (dir != NULL)
        closedir(dir);
}

/* -- asking -------------------------------------------------------------------------------------------------------- */

struct asking {
    const char *line;
    control_answer_fn *each;
    void *ctx;
    unsigned count;
    const char *why;
};

static bool wait_for(int fd, uint64_t deadline_us)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t now = clock_now_us();
    return now < deadline_us && poll(&p, 1, (int)((deadline_us - now) / US_PER_MS) + 1) > 0;
}

/* Until the end; heap. NULL and *why. */
static char *read_answer(int fd, const char **why)
{
    uint64_t deadline_us = clock_now_us() + CONTROL_WAIT_S * US_PER_S;
    size_t len = 0, size = 0;
    char *text = NULL;
    for (;;) {
        if (len + 1 >= size) {
            size = size == 0 ? 16 * KIB : 2 * size;
            char *more = size <= CONTROL_TEXT_MAX ? realloc(text, size) : NULL;
            if (more == NULL)
                break;
            text = more;
        }
        ssize_t n = wait_for(fd, deadline_us) ? recv(fd, text + len, size - len - 1, MSG_DONTWAIT) : -1;
        if (n < 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
        if (n == 0 && len > 0)
            return text;
        if (n == 0)
            break;
    }
    *why = len == 0 ? "it does not answer" : "its answer does not end";
    free(text);
    return NULL;
}

/* Whom nobody listens for was killed: that is no answer, and nothing that went wrong. */
static void ask_one(void *ctx, const struct sockaddr_un *at)
{
    struct asking *a = ctx;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0) {
        if (errno != ECONNREFUSED)
            a->why = strerror(errno);
        close(fd);
        return;
    }
    char line[CONTROL_LINE_MAX + 2];
    int len = snprintf(line, sizeof(line), "%.*s\n", CONTROL_LINE_MAX - 1, a->line);
    char *answer = NULL;
    if (fd < 0 || send(fd, line, (size_t)len, MSG_NOSIGNAL) != len)
        a->why = strerror(errno);
    else
        answer = read_answer(fd, &a->why);
    if (answer != NULL) {
        a->count++;
        a->each(a->ctx, answer);
    }
    free(answer);
    if (fd >= 0)
        close(fd);
}

unsigned control_ask(const char *directory, const char *program, const char *line, control_answer_fn *each, void *ctx, const char **why)
{
    struct asking a = {.line = line, .each = each, .ctx = ctx};
    control_paths(directory, program, ask_one, &a);
    *why = a.why;
    return a.count;
}
