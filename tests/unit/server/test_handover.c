/* SPDX-License-Identifier: Apache-2.0 */
/* What passes between a server and its successor: sockets that arrive, and messages that are not as they should be. */
#include "server/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/listener.h"
#include "tap.h"

#define SPOKEN "mdm-tunnel-server 1"
#define HEIR "heir"
#define MANY 40 /* more than fit into a message */
#define FDS_MAX 48

/* Above 3, which is the new process's end. */
static int moved_up(int fd)
{
    int up = fcntl(fd, F_DUPFD_CLOEXEC, 10);

    close(fd);
    return up;
}

static int socket_that_listens(uint16_t *port)
{
    *port = 0;
    return moved_up(listener_open("127.0.0.1", port, true));
}

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

/* -- the new process: it gets what is written here ----------------------------------------------------------------- */

struct arrival {
    int old; /* the old process's end */
    struct shelf *shelf;
    struct predecessor p;
    char why[256];
    unsigned before; /* descriptors */
};

static void arrival_begin(struct arrival *a)
{
    int pair[2];

    memset(a, 0, sizeof(*a));
    close(3);
    a->before = descriptors();
    OK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    a->old = moved_up(pair[0]);
    int end = moved_up(pair[1]);
    OK_INT(dup2(end, 3), 3);
    close(end);
    a->shelf = shelf_create();
    setenv(HANDOVER_VARIABLE, "3", 1);
}

static void say(const struct arrival *a, const char *text, size_t len, const int *fds, unsigned count)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
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
    OK_INT(sendmsg(a->old, &m, MSG_NOSIGNAL), (long long)len);
}

static void say_text(const struct arrival *a, const char *text) { say(a, text, strlen(text) + 1, NULL, 0); }

static bool arrive(struct arrival *a)
{
    bool ok = predecessor_open(&a->p, a->shelf, a->why, sizeof(a->why));

    OK(getenv(HANDOVER_VARIABLE) == NULL);
    return ok;
}

/* Nothing of what came stays open. */
static void arrival_end(struct arrival *a)
{
    shelf_free(&a->shelf);
    if (a->p.fd >= 0)
        close(a->p.fd);
    if (a->p.elders >= 0)
        close(a->p.elders);
    if (a->old >= 0)
        close(a->old);
    close(3);
    OK_INT(descriptors(), a->before);
}

static void sockets_arrive(void)
{
    struct arrival a;
    uint16_t port, admin;

    arrival_begin(&a);
    int fds[2] = {socket_that_listens(&port), socket_that_listens(&admin)};
    say_text(&a, SPOKEN);
    say(&a, "http\n" SHELF_ADMIN "\n", 11, fds, 2);
    int elders = socket(AF_UNIX, SOCK_STREAM, 0);
    say(&a, HANDOVER_ELDERS "\n", 7, &elders, 1);
    say_text(&a, "");
    OK(arrive(&a));
    OK(a.p.elders >= 0);
    int got = shelf_take(a.shelf, &(struct shelf_wish){SHELF_ADMIN, "127.0.0.1", 0});
    struct listener_place at;
    OK(listener_place(got, &at));
    OK_INT(at.port, admin);
    OK(fcntl(got, F_GETFD) & FD_CLOEXEC);
    close(got);
    close(fds[0]);
    close(fds[1]);
    close(elders);
    arrival_end(&a);
}

static void nobody_gave_anything(void)
{
    struct shelf *shelf = shelf_create();
    struct predecessor p;
    char why[256] = "";

    unsetenv(HANDOVER_VARIABLE);
    OK(predecessor_open(&p, shelf, why, sizeof(why)));
    OK_INT(p.fd, -1);
    predecessor_ready(&p); /* it is nobody's business */
    predecessor_failed(&p, "nor this");
    shelf_free(&shelf);
}

static void the_variable_alone_is_an_error(void)
{
    struct arrival a;

    for (int i = 0; i < 2; i++) {
        arrival_begin(&a);
        if (i == 0)
            setenv(HANDOVER_VARIABLE, "4", 1);
        else
            close(3);
        OK(!arrive(&a));
        OK_TEXT(a.why, HANDOVER_VARIABLE " is for a process that another one starts");
        arrival_end(&a);
    }
}

/* A message in place of the sockets is an error, with these words. */
static void refused(const char *first, const char *text, size_t len, const int *fds, unsigned count, const char *words)
{
    struct arrival a;

    arrival_begin(&a);
    say_text(&a, first);
    if (text != NULL)
        say(&a, text, len, fds, count);
    close(a.old);
    a.old = -1;
    OK(!arrive(&a));
    OK_TEXT(a.why, words);
    arrival_end(&a);
}

static void bad_messages(void)
{
    char longer[40000];
    uint16_t port;
    int fd = socket_that_listens(&port), file = moved_up(open("/dev/null", O_RDONLY)), fds[FDS_MAX];

    memset(longer, 'x', sizeof(longer));
    refused("mdm-tunnel-server 2", NULL, 0, NULL, 0, "the old process speaks another version of the handover: restart it");
    refused("", NULL, 0, NULL, 0, "the old process speaks another version of the handover: restart it");
    refused(SPOKEN, NULL, 0, NULL, 0, "sockets of the old process: it is gone");
    refused(SPOKEN, "http\n", 5, &fd, 1, "sockets of the old process: it is gone");
    refused(SPOKEN, "http", 4, &fd, 1, "sockets of the old process: a socket without a name");
    refused(SPOKEN, "http\nmqtt\n", 10, &fd, 1, "sockets of the old process: a name without a socket");
    refused(SPOKEN, "http\n", 5, &file, 1, "sockets of the old process: Socket operation on non-socket");
    for (unsigned i = 0; i < FDS_MAX; i++)
        fds[i] = fd;
    fds[1] = moved_up(socket(AF_INET, SOCK_STREAM, 0));
    refused(SPOKEN, "http\nmqtt\nhttp\n", 15, fds, 3, "sockets of the old process: not a TCP socket that listens");
    refused(SPOKEN, "http\n", 5, fds, FDS_MAX, "sockets of the old process: Message too long");
    refused(SPOKEN, longer, sizeof(longer), &fd, 1, "sockets of the old process: Message too long");
    refused(SPOKEN, "", 0, &fd, 1, "sockets of the old process: it is gone");
    close(fds[1]);
    close(file);
    close(fd);
}

/* -- the old process: its successor is what a shell says ------------------------------------------------------------ */

/* What it is told of a successor that runs these commands. */
static enum successor_news told(struct successor *n, const char *commands, char *why, size_t size)
{
    static const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    char shell[] = "sh", flag[] = "-c";
    char *argv[] = {shell, flag, (char *)(uintptr_t)commands, NULL};
    enum successor_news news = SUCCESSOR_SILENT;

    if (!successor_start(n, argv, NULL, 0, why, size)) /* it was quick to end: the same words */
        return SUCCESSOR_FAILED;
    for (int i = 0; i < 6000 && (news = successor_heard(n, why, size)) == SUCCESSOR_SILENT; i++)
        nanosleep(&pause, NULL);
    return news;
}

static void how_a_successor_fails(void)
{
    static const char *const cases[][2] = {
        {"printf 'failed port: 70000 is above 65535\\0' >&3; exit 2", "port: 70000 is above 65535"},
        {"exit 3", "it ended with status 3"},
        {"kill -9 $$", "it was ended by signal 9"},
        {"printf 'rea\\0' >&3; exit 4", "it ended with status 4"},
        {"printf 'failed ' >&3; exit 4", ""},
    };
    unsigned before = descriptors();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct successor n;
        char why[64] = "?";
        OK_INT(told(&n, cases[i][0], why, sizeof(why)), SUCCESSOR_FAILED);
        OK_TEXT(why, cases[i][1]);
        OK_INT(n.fd, -1);
        OK_INT(waitpid(n.pid, NULL, WNOHANG), -1);
    }
    struct successor n;
    char why[64];
    char nothing[] = "/no/such/program", *argv[] = {nothing, NULL};
    OK(!successor_start(&n, argv, NULL, 0, why, sizeof(why)));
    OK_TEXT(why, "/no/such/program: No such file or directory");
    OK_INT(n.fd, -1);
    OK_INT(descriptors(), before);
}

static void a_successor_is_ready(void)
{
    struct successor n;
    char why[64];
    int status = 0;

    OK_INT(told(&n, "printf 'ready\\0' >&3; test \"$(cat <&3 | tr '\\0' ' ')\" = '" SPOKEN "  yours '", why, sizeof(why)), SUCCESSOR_READY);
    successor_yours(&n);
    OK_INT(n.fd, -1);
    OK_INT(waitpid(n.pid, &status, 0), n.pid);
    OK_INT(WEXITSTATUS(status), 0);
}

/* This program once more: takes what it is given, and ends with the number of sockets. */
static int heir(void)
{
    struct shelf *shelf = shelf_create();
    struct predecessor p;
    char why[256];
    int fds[WORKERS_MAX], count = 0, got;

    if (!predecessor_open(&p, shelf, why, sizeof(why)))
        return 100;
    while ((got = shelf_take(shelf, &(struct shelf_wish){"http", "127.0.0.1", 0})) >= 0 && count < WORKERS_MAX)
        fds[count++] = got;
    predecessor_ready(&p);
    shelf_free(&shelf);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return count;
}

static void many_sockets(void)
{
    struct gifts gifts = {.list = NULL};
    const struct gifts *const all[] = {&gifts};
    char itself[] = "/proc/self/exe", word[] = HEIR, *argv[] = {itself, word, NULL};
    struct successor n;
    char why[64];
    int status = 0;
    enum successor_news news = SUCCESSOR_SILENT;

    for (unsigned i = 0; i < MANY; i++) {
        uint16_t port;
        int fd = socket_that_listens(&port);
        gifts_add(&gifts, "http", fd);
        close(fd);
    }
    OK(!gifts.failed);
    OK_INT(gifts.count, MANY);
    if (!OK(successor_start(&n, argv, all, 1, why, sizeof(why))))
        return;
    gifts_done(&gifts);
    static const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    for (int i = 0; i < 6000 && (news = successor_heard(&n, why, sizeof(why))) == SUCCESSOR_SILENT; i++)
        nanosleep(&pause, NULL);
    OK_INT(news, SUCCESSOR_READY);
    successor_yours(&n);
    OK_INT(waitpid(n.pid, &status, 0), n.pid);
    OK_INT(WEXITSTATUS(status), MANY);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], HEIR) == 0)
        return heir();
    const struct tap_case cases[] = {
        {"sockets arrive, by their names", sockets_arrive},
        {"nobody gave anything", nobody_gave_anything},
        {"the variable alone is an error", the_variable_alone_is_an_error},
        {"messages that are not as they should be: words, and nothing stays open", bad_messages},
        {"how a successor fails", how_a_successor_fails},
        {"a successor is ready, and hears that all is its", a_successor_is_ready},
        {"more sockets than fit into a message", many_sockets},
    };
    return TAP_RUN(cases);
}
