/* SPDX-License-Identifier: Apache-2.0 */
/* Options of TCP sockets. */
#include "base/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define WAY_LONG_US (5 * US_PER_MS)

void tcp_suit_way(int fd)
{
    static const char bbr[] = "bbr";
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_rtt >= WAY_LONG_US)
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bbr, sizeof(bbr) - 1);
}
