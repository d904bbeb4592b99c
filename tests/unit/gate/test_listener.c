/* SPDX-License-Identifier: Apache-2.0 */
/* The public port: shared by our workers, by nobody else. */
#include "gate/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tap.h"

static bool reaches(const char *address, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, address, &to.sin_addr);
    bool ok = connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)) == 0;
    close(fd);
    return ok;
}

static void shared_by_workers(void)
{
    uint16_t port = 0, again;

    int first = listener_open("127.0.0.1", &port, true);
    OK(first >= 0);
    OK(port != 0);
    again = port;
    int second = listener_open("127.0.0.1", &again, false);
    OK(second >= 0);
    OK_INT(again, port);
    OK(reaches("127.0.0.1", port));
    close(first);
    close(second);
}

static void not_by_others(void)
{
    uint16_t port = 0, same;

    int mine = listener_open("127.0.0.1", &port, true);
    same = port;
    OK_INT(listener_open("127.0.0.1", &same, true), -1);
    OK_INT(errno, EADDRINUSE);
    OK_INT(same, port);
    close(mine);
}

static void all_interfaces(void)
{
    uint16_t port = 0;

    int fd = listener_open(NULL, &port, true);
    OK(fd >= 0);
    OK(reaches("127.0.0.1", port));
    close(fd);
}

static void no_addresses(void)
{
    static const char *const bad[] = {"", "300.1.1.1", "localhost", "::g", "1.2.3"};
    uint16_t port = 0;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        OK_INT(listener_open(bad[i], &port, true), -1);
        OK_INT(errno, EINVAL);
    }
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"the workers share it", shared_by_workers},
        {"a second program is told", not_by_others},
        {"all interfaces: IPv4 arrives", all_interfaces},
        {"what is no address", no_addresses},
    };
    return TAP_RUN(cases);
}
