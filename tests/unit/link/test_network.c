/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of this machine's addresses, taken apart; and whose end of a socket an address is. */
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link/network.h"
#include "tap.h"

struct said {
    unsigned count;
    struct network_address address;
    bool came;
};

static void take(void *ctx, const struct network_address *address, bool came)
{
    struct said *s = ctx;
    s->count++;
    s->address = *address;
    s->came = came;
}

struct news {
    union {
        struct nlmsghdr head;
        char bytes[512];
    };
    size_t len;
};

static struct nlmsghdr *begin(struct news *n, unsigned type, unsigned family)
{
    struct nlmsghdr *m = (struct nlmsghdr *)(n->bytes + n->len);
    memset(m, 0, NLMSG_LENGTH(sizeof(struct ifaddrmsg)));
    m->nlmsg_type = (uint16_t)type;
    m->nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg));
    ((struct ifaddrmsg *)NLMSG_DATA(m))->ifa_family = (uint8_t)family;
    n->len += m->nlmsg_len;
    return m;
}

static void attribute(struct news *n, struct nlmsghdr *m, unsigned type, const void *bytes, size_t len)
{
    struct rtattr *a = (struct rtattr *)((char *)m + m->nlmsg_len);
    a->rta_type = (uint16_t)type;
    a->rta_len = (uint16_t)RTA_LENGTH(len);
    memcpy(RTA_DATA(a), bytes, len);
    m->nlmsg_len += (uint32_t)RTA_SPACE(len);
    n->len += RTA_SPACE(len);
}

static const struct in_addr *v4(const char *text)
{
    static struct in_addr a;
    inet_pton(AF_INET, text, &a);
    return &a;
}

static void an_own_address_is_told(void)
{
    struct news n = {.len = 0};
    struct said said = {0};
    struct nlmsghdr *m = begin(&n, RTM_DELADDR, AF_INET);
    attribute(&n, m, IFA_ADDRESS, v4("192.0.2.1"), 4); /* the other end's */
    attribute(&n, m, IFA_LOCAL, v4("192.0.2.2"), 4);
    attribute(&n, m, IFA_ADDRESS, v4("192.0.2.3"), 4);
    network_parse(n.bytes, n.len, take, &said);
    OK_INT(said.count, 1);
    OK(!said.came && said.address.family == AF_INET);
    OK_INT(said.address.v4.s_addr, v4("192.0.2.2")->s_addr);
}

static void several_in_one_datagram(void)
{
    struct news n = {.len = 0};
    struct said said = {0};
    struct in6_addr six;
    inet_pton(AF_INET6, "2001:db8::7", &six);
    attribute(&n, begin(&n, RTM_DELADDR, AF_INET), IFA_LOCAL, v4("192.0.2.2"), 4);
    attribute(&n, begin(&n, RTM_NEWLINK, AF_INET), IFA_LOCAL, v4("192.0.2.2"), 4);
    attribute(&n, begin(&n, RTM_NEWADDR, AF_INET6), IFA_ADDRESS, &six, sizeof(six));
    network_parse(n.bytes, n.len, take, &said);
    OK_INT(said.count, 2);
    OK(said.came && said.address.family == AF_INET6 && memcmp(&said.address.v6, &six, sizeof(six)) == 0);
}

static void what_is_no_address_is_passed_over(void)
{
    struct news n = {.len = 0};
    struct said said = {0};
    attribute(&n, begin(&n, RTM_NEWADDR, AF_INET), IFA_LOCAL, v4("192.0.2.2"), 3);
    attribute(&n, begin(&n, RTM_NEWADDR, AF_INET6), IFA_ADDRESS, v4("192.0.2.2"), 4);
    attribute(&n, begin(&n, RTM_NEWADDR, AF_PACKET), IFA_LOCAL, v4("192.0.2.2"), 4);
    attribute(&n, begin(&n, RTM_NEWADDR, AF_INET), IFA_LABEL, "eth0", 5);
    begin(&n, RTM_NEWADDR, AF_INET)->nlmsg_len = NLMSG_LENGTH(1);
    network_parse(n.bytes, n.len, take, &said);
    OK_INT(said.count, 0);
}

static void a_cut_datagram_is_read_to_its_end_only(void)
{
    for (size_t len = 0; len <= 64; len++) {
        struct news n = {.len = 0};
        struct said said = {0};
        struct nlmsghdr *m = begin(&n, RTM_NEWADDR, AF_INET);
        attribute(&n, m, IFA_LOCAL, v4("192.0.2.2"), 4);
        size_t whole = n.len;
        char *copy = malloc(len + 1); /* so that the address sanitizer sees a byte too many */
        memcpy(copy, n.bytes, len);
        network_parse(copy, len, take, &said);
        free(copy);
        OK_INT(said.count, len >= whole);
    }
}

static void the_end_of_a_socket(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    OK(bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0);
    struct network_address own = {.family = AF_INET, .v4 = *v4("127.0.0.1")};
    struct network_address other = {.family = AF_INET, .v4 = *v4("127.0.0.2")};
    struct network_address six = {.family = AF_INET6, .v6 = IN6ADDR_LOOPBACK_INIT};
    OK(network_is_local_end(fd, &own));
    OK(!network_is_local_end(fd, &other));
    OK(!network_is_local_end(fd, &six));
    close(fd);
    OK(!network_is_local_end(-1, &own));
}

int main(void)
{
    const struct tap_case cases[] = {
        {"an own address is told", an_own_address_is_told},
        {"several in one datagram", several_in_one_datagram},
        {"what is no address is passed over", what_is_no_address_is_passed_over},
        {"a cut datagram is read to its end only", a_cut_datagram_is_read_to_its_end_only},
        {"the end of a socket", the_end_of_a_socket},
    };
    return TAP_RUN(cases);
}
