/* SPDX-License-Identifier: Apache-2.0 */
/* A control socket: who may open it, what is asked and answered, and what those get who do not ask as they should. */
#include "base/control_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/worker.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

static char root[] = "/tmp/mdm-control-XXXXXX";
static char large[1 * MIB];

static void asked(void *ctx, struct control_question *q, const char *line)
{
    char *text = NULL;
    (void)ctx;
    if (strcmp(line, "nothing") != 0)
        text = strcmp(line, "much") == 0 ? strdup(large) : strdup(line);
    control_answer(&q, text);
}

struct heard {
    unsigned count;
    char *last;
};

static void heard(void *ctx, const char *answer)
{
    struct heard *h = ctx;
    h->count++;
    free(h->last);
    h->last = strdup(answer);
}

static struct worker *worker;
static struct control_socket *opened;

static bool begin(void)
{
    worker = worker_create("w", 0);
    opened = control_socket_open(worker, root, "client", asked, NULL);
    return OK(opened != NULL) && OK(worker_start(worker) == 0);
}

static void end(void)
{
    worker_stop(worker);
    control_socket_free(&opened);
    worker_free(&worker);
}

static struct sockaddr_un address(const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", root, name);
    return a;
}

static struct sockaddr_un own_address(void)
{
    char name[64];
    snprintf(name, sizeof(name), "client.%d.sock", (int)getpid());
    return address(name);
}

static void answers(void)
{
    struct heard h = {0, NULL};
    struct stat st;
    const char *why;
    if (!begin())
        return;
    OK_INT(control_ask(root, "client", "hello", heard, &h, &why), 1);
    OK(why == NULL);
    OK_TEXT(h.last, "hello");
    OK_INT(control_ask(root, "client", "much", heard, &h, &why), 1);
    OK(h.last != NULL && strcmp(h.last, large) == 0);
    OK_INT(control_ask(root, "server", "hello", heard, &h, &why), 0);
    OK(why == NULL);
    OK_INT(control_ask(root, "client", "nothing", heard, &h, &why), 0);
    OK_TEXT(why, "it does not answer");
    struct sockaddr_un at = own_address();
    OK_INT(stat(at.sun_path, &st), 0);
    OK_INT(st.st_mode & 0777, 0600);
    end();
    OK(stat(at.sun_path, &st) != 0 && errno == ENOENT);
    free(h.last);
}

static int raw_open(void)
{
    struct sockaddr_un at = own_address();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    OK_INT(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* What comes back, until the end. */
static size_t raw_ask(const void *data, size_t len, char *out, size_t size)
{
    int fd = raw_open();
    size_t got = 0;
    OK_INT(send(fd, data, len, MSG_NOSIGNAL), len);
    for (ssize_t n; got < size && (n = recv(fd, out + got, size - got, 0)) > 0;)
        got += (size_t)n;
    close(fd);
    return got;
}

static void hostile(void)
{
    char out[64], longest[CONTROL_LINE_MAX + 1];
    struct heard h = {0, NULL};
    const char *why;
    if (!begin())
        return;
    memset(longest, 'x', sizeof(longest));
    OK_INT(raw_ask("a\0b\n", 4, out, sizeof(out)), 0);
    OK_INT(raw_ask(longest, sizeof(longest), out, sizeof(out)), 0);
    OK_INT(raw_ask("one\ntwo\n", 8, out, sizeof(out)), 3);
    OK(memcmp(out, "one", 3) == 0);
    int fds[CONTROL_QUESTIONS_MAX + 1];
    for (unsigned i = 0; i <= CONTROL_QUESTIONS_MAX; i++)
        fds[i] = raw_open();
    OK_INT(recv(fds[CONTROL_QUESTIONS_MAX], out, 1, 0), 0);
    for (unsigned i = 0; i <= CONTROL_QUESTIONS_MAX; i++)
        close(fds[i]);
    do /* until the worker has seen their ends */
        control_ask(root, "client", "again", heard, &h, &why);
    while (h.count == 0);
    OK_TEXT(h.last, "again");
    free(h.last);
    end();
}

/* A program that was killed left its socket; another's is not touched, nor are other files. */
static void leftovers(void)
{
    struct sockaddr_un dead = address("client.4194999.sock"), other = address("client.x.sock");
    struct heard h = {0, NULL};
    const char *why;
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), fd2 = socket(AF_UNIX, SOCK_STREAM, 0);
    OK_INT(bind(fd, (struct sockaddr *)&dead, sizeof(dead)), 0);
    OK_INT(bind(fd2, (struct sockaddr *)&other, sizeof(other)), 0);
    close(fd);
    close(fd2);
    OK_INT(control_ask(root, "client", "hello", heard, &h, &why), 0);
    OK(why == NULL);
    if (!begin())
        return;
    OK(stat(dead.sun_path, &st) != 0);
    OK_INT(stat(other.sun_path, &st), 0);
    unlink(other.sun_path);
    end();
}

static void too_long(void)
{
    char path[200];
    struct worker *w = worker_create("w", 0);
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    OK(control_socket_open(w, path, "client", asked, NULL) == NULL && errno == ENAMETOOLONG);
    OK(control_socket_open(w, "/nowhere/at/all", "client", asked, NULL) == NULL && errno == ENOENT);
    worker_free(&w);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"a line is answered, the socket is its owner's", answers},
        {"lines that are none, and too many who ask", hostile},
        {"what a killed program left", leftovers},
        {"a directory that cannot have one", too_long},
    };
    memset(large, 'l', sizeof(large) - 1);
    if (mkdtemp(root) == NULL)
        return 1;
    int status = TAP_RUN(cases);
    rmdir(root);
    return status;
}
