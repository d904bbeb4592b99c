/* SPDX-License-Identifier: Apache-2.0 */
/* Options and addresses of TCP sockets. */
#include "base/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
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

void tcp_address_text(const struct sockaddr *peer, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    if (peer->sa_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
        snprintf(text, size, "%s:%u", host, ntohs(v6->sin6_port));
    } else if (peer->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        snprintf(text, size, peer->sa_family == AF_UNIX ? "local socket" : "?");
    }
}

uint64_t tcp_address_network(const struct sockaddr *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    uint64_t network = 0;
    uint32_t address = 0;
    if (peer->sa_family == AF_INET)
        return v4->sin_addr.s_addr;
    if (peer->sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&address, &v6->sin6_addr.s6_addr[12], sizeof(address));
        return address;
    }
    memcpy(&network, &v6->sin6_addr, sizeof(network));
    return network;
}
