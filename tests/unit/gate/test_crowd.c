/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds on connections: in all, and from one address. */
#include "gate/crowd.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tap.h"

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        a.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        a.ss_family = AF_INET6;
    return a;
}

static uint32_t enter(struct crowd *s, const char *text)
{
    struct sockaddr_storage a = address(text);
    return crowd_enter(s, (const struct sockaddr *)&a);
}

static void per_address(void)
{
    struct crowd *s = crowd_create(100, 2);
    uint32_t one = enter(s, "192.0.2.1"), two = enter(s, "::ffff:192.0.2.1");
    OK(one != 0 && two == one); /* the same address in two forms */
    OK_INT(enter(s, "192.0.2.1"), 0);
    OK(enter(s, "192.0.2.2") != 0);
    OK(enter(s, "2001:db8::1") != 0 && enter(s, "2001:db8::2") != 0);
    OK_INT(enter(s, "2001:db8::3"), 0); /* one network */
    OK(enter(s, "2001:db8:0:1::3") != 0);
    crowd_leave(s, &one);
    OK(enter(s, "192.0.2.1") != 0);
    OK_INT(enter(s, "192.0.2.1"), 0);
    crowd_free(&s);
}

static void in_all(void)
{
    struct crowd *s = crowd_create(3, 2);
    uint32_t first = enter(s, "192.0.2.1");
    OK(first != 0 && enter(s, "192.0.2.2") != 0 && enter(s, "192.0.2.3") != 0);
    OK_INT(enter(s, "192.0.2.4"), 0);
    crowd_leave(s, &first);
    OK(enter(s, "192.0.2.4") != 0);
    crowd_free(&s);
}

static void without_address(void)
{
    struct crowd *s = crowd_create(3, 1), *any = crowd_create(3, 0);
    uint32_t trusted = crowd_enter(s, NULL), none = 0;
    OK(trusted != 0 && crowd_enter(s, NULL) != 0 && enter(s, "192.0.2.1") != 0);
    OK_INT(crowd_enter(s, NULL), 0); /* in all */
    crowd_leave(s, &trusted);
    OK(trusted == 0);
    crowd_leave(s, &trusted); /* once */
    crowd_leave(s, &none);
    OK_INT(enter(s, "192.0.2.1"), 0);
    OK(crowd_enter(s, NULL) != 0);
    OK_INT(crowd_enter(s, NULL), 0);
    OK(enter(any, "192.0.2.1") != 0 && enter(any, "192.0.2.1") != 0 && enter(any, "192.0.2.1") != 0);
    OK_INT(enter(any, "192.0.2.1"), 0);
    crowd_free(&s);
    crowd_free(&any);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"from one address, or one IPv6 network", per_address},
        {"in all", in_all},
        {"of no address, and with any number for one", without_address},
    };
    return TAP_RUN(cases);
}
