/* SPDX-License-Identifier: Apache-2.0 */
#include "link/network.h"

#include <event2/event.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"

/* A message is some hundred bytes; the kernel never sends more than a page in one datagram unless asked for a list. */
#define NETWORK_BYTES (8 * KIB)

/* IFA_LOCAL is the machine's own where a line has two ends (IPv4); else there is only IFA_ADDRESS. */
static bool address_take(const struct nlmsghdr *message, struct network_address *out)
{
    const struct ifaddrmsg *head = NLMSG_DATA(message);
    size_t size = head->ifa_family == AF_INET ? sizeof(out->v4) : sizeof(out->v6);
    bool found = false, local = false;
    if (head->ifa_family != AF_INET && head->ifa_family != AF_INET6)
        return false;
    int left = (int)IFA_PAYLOAD(message);
    for (const struct rtattr *a = IFA_RTA(head); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        bool is_local = a->rta_type == IFA_LOCAL;
        if ((!is_local && (a->rta_type != IFA_ADDRESS || local)) || RTA_PAYLOAD(a) < size)
            continue;
        memcpy(&out->v6, RTA_DATA(a), size);
        found = true;
        local = local || is_local;
    }
    out->family = head->ifa_family;
    return found;
}

void network_parse(const void *bytes, size_t len, network_fn *tell, void *ctx)
{
    for (const struct nlmsghdr *m = bytes; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len)) {
        struct network_address address;
        bool is_address = m->nlmsg_type == RTM_NEWADDR || m->nlmsg_type == RTM_DELADDR;
        if (is_address && m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)) && address_take(m, &address))
            tell(ctx, &address, m->nlmsg_type == RTM_NEWADDR);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct network_watch *w = arg;
    union {
        struct nlmsghdr aligned;
        char bytes[NETWORK_BYTES];
    } buffer;
    struct sockaddr_nl from;
    socklen_t from_len = sizeof(from);
    ssize_t n;
    (void)what;
    while (w->fd >= 0 && (n = recvfrom(fd, &buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len)) > 0) {
        if (from.nl_pid == 0) /* the kernel's own */
            network_parse(&buffer, (size_t)n, w->tell, w->ctx);
        from_len = sizeof(from);
    }
}

void network_open(struct network_watch *w, struct event_base *events, network_fn *tell, void *ctx)
{
    const struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    *w = (struct network_watch){.tell = tell, .ctx = ctx};
    w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (w->fd < 0)
        return;
    event_assign(&w->readable, events, w->fd, EV_READ | EV_PERSIST, on_readable, w);
    if (bind(w->fd, (const struct sockaddr *)&groups, sizeof(groups)) == 0 && event_add(&w->readable, NULL) == 0)
        return;
    close(w->fd);
    w->fd = -1;
}

void network_close(struct network_watch *w)
{
    if (w->fd < 0)
        return;
    event_del(&w->readable);
    close(w->fd);
    w->fd = -1;
}

bool network_is_local_end(int fd, const struct network_address *address)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    if (getsockname(fd, (struct sockaddr *)&own, &len) != 0 || own.ss_family != address->family)
        return false;
    if (own.ss_family == AF_INET)
        return memcmp(&((struct sockaddr_in *)&own)->sin_addr, &address->v4, sizeof(address->v4)) == 0;
    return memcmp(&((struct sockaddr_in6 *)&own)->sin6_addr, &address->v6, sizeof(address->v6)) == 0;
}
