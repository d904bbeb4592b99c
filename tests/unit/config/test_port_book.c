/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a port is: given, kept, lost, and what stands in the file. */
#include "config/port_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define NOW 1000000000
#define DAY (24 * 3600)

static const uint64_t key[2] = {1, 2};
static const struct port_set none;

/* The port, or 0 and why not. */
static unsigned take(struct port_book *b, const char *client, const char *service, unsigned wanted, const char *granted,
                     int64_t now_s, const struct error **why)
{
    struct port_entry *e = NULL;
    *why = port_book_take(b, client, service, (uint16_t)wanted, granted, &none, now_s, &e);
    return *why == NULL ? e->port : 0;
}

static unsigned any(struct port_book *b, const char *client, const char *service)
{
    const struct error *why;
    return take(b, client, service, 0, "", NOW, &why);
}

static void release(struct port_book *b, const char *client, const char *service, int64_t now_s)
{
    port_book_release(port_book_find(b, client, service), now_s);
}

static void given(void)
{
    struct port_book *b = port_book_create("20000-20002,30000", key);
    const struct error *why;
    OK_INT(any(b, "tim", "ssh"), 20000);
    OK_INT(any(b, "tim", "web"), 20001);
    OK_INT(any(b, "tom", "ssh"), 20002);
    OK_INT(any(b, "tom", "web"), 30000);
    OK_INT(any(b, "tim", "ssh"), 20000);
    OK_INT(any(b, "sam", "ssh"), 0);
    OK(take(b, "sam", "ssh", 0, "", NOW, &why) == 0 && why == &error_ports_used_up);
    release(b, "tom", "ssh", NOW - 1);
    release(b, "tim", "web", NOW);
    OK_INT(any(b, "tom", "ssh"), 20002);
    release(b, "tom", "ssh", NOW + 2);
    OK_INT(any(b, "sam", "ssh"), 20001); /* the one that was longest unused */
    OK(port_book_find(b, "tim", "web") == NULL);
    OK_INT(port_book_held(b, 0)->port, 20000);
    OK_INT(port_book_held(b, 20002)->port, 30000);
    OK(port_book_held(b, 30001) == NULL && port_book_of(b, "nobody") == NULL);
    port_book_free(&b);
}

static void wanted(void)
{
    struct port_book *b = port_book_create("20000-20009", key);
    const struct error *why;
    OK_INT(take(b, "tim", "ssh", 20005, "", NOW, &why), 20005);
    OK(take(b, "tom", "ssh", 20005, "", NOW, &why) == 0 && why == &error_port_taken);
    OK(take(b, "tom", "ssh", 20010, "", NOW, &why) == 0 && why == &error_port_outside);
    OK(take(b, "tom", "ssh", 20006, "20007-20008", NOW, &why) == 0 && why == &error_port_not_granted);
    OK_INT(take(b, "tom", "ssh", 0, "20007-20008", NOW, &why), 20007);
    OK(take(b, "sam", "ssh", 0, "none", NOW, &why) == 0 && why == &error_port_not_granted);
    release(b, "tim", "ssh", NOW);
    OK(take(b, "tom", "web", 20005, "", NOW + PORT_KEPT_S - 1, &why) == 0 && why == &error_port_taken);
    OK_INT(take(b, "tim", "web", 20005, "", NOW, &why), 20005); /* its own: the service has another name now */
    release(b, "tim", "web", NOW);
    OK_INT(take(b, "tom", "web", 20005, "", NOW + PORT_KEPT_S, &why), 20005);
    release(b, "tom", "web", NOW);
    OK_INT(take(b, "tom", "web", 20006, "", NOW, &why), 20006); /* another number: the old one is nobody's */
    OK_INT(take(b, "sam", "web", 20005, "", NOW, &why), 20005);
    port_book_free(&b);
}

static void other_programs(void)
{
    struct port_book *b = port_book_create("20000-20002", key);
    struct port_set except = none;
    struct port_entry *e;
    port_set_add(&except, 20000);
    OK(port_set_has(&except, 20000) && !port_set_has(&except, 20001));
    OK(port_book_take(b, "tim", "ssh", 20000, "", &except, NOW, &e) == &error_port_taken);
    OK(port_book_take(b, "tim", "ssh", 0, "", &except, NOW, &e) == NULL);
    OK_INT(e->port, 20001);
    port_set_add(&except, 20001);
    OK(port_book_take(b, "tim", "ssh", 0, "", &except, NOW, &e) == NULL); /* it was lost to another program */
    OK_INT(e->port, 20002);
    port_book_forget(b, e);
    OK(port_book_find(b, "tim", "ssh") == NULL);
    port_set_add(&except, 20002);
    OK(port_book_take(b, "tim", "ssh", 0, "", &except, NOW, &e) == &error_ports_used_up);
    port_book_free(&b);
}

static void one_client(void)
{
    struct port_book *b = port_book_create("20000-29999", key);
    const struct error *why;
    char name[16];
    for (unsigned i = 0; i < PORTS_PER_CLIENT_MAX; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        OK_INT(any(b, "tim", name), 20000 + i);
    }
    OK(take(b, "tim", "more", 0, "", NOW, &why) == 0 && why == &error_limit);
    OK_INT(any(b, "tom", "ssh"), 20000 + PORTS_PER_CLIENT_MAX);
    release(b, "tim", "s7", NOW);
    OK(take(b, "tim", "more", 0, "", NOW, &why) > 0);
    OK(port_book_find(b, "tim", "s7") == NULL);
    port_book_free(&b);
}

static void file(void)
{
    struct port_book *b = port_book_create("20000-20009", key);
    struct config_error err;
    OK_INT(port_book_read(b, "# ports\n20003 tim ssh 1000000000\n\n20004 tom web 1000000000\n", NOW + DAY, &err), 0);
    OK_INT(any(b, "tim", "ssh"), 20003);
    OK_INT(any(b, "sam", "ssh"), 20000);
    char *text = port_book_write(b, NOW + 2 * DAY);
    OK_TEXT(text, "20000 sam ssh 1000172800\n20003 tim ssh 1000172800\n20004 tom web 1000000000\n");
    free(text);
    release(b, "sam", "ssh", NOW);
    text = port_book_write(b, NOW + PORT_KEPT_S);
    OK_TEXT(text, "20003 tim ssh 1002592000\n");
    free(text);
    port_book_free(&b);
    b = port_book_create("20000-20009", key);
    OK_INT(port_book_read(b, "20003 tim ssh 5\n", NOW, &err), 0); /* too long ago */
    OK(port_book_find(b, "tim", "ssh") == NULL);
    OK_INT(port_book_read(b, "30003 tim ssh 1000000000\n", NOW, &err), 0); /* the ranges were others then */
    OK_INT(any(b, "tim", "ssh"), 20000);
    static const struct {
        const char *text, *wrong;
    } bad[] = {
        {"20001 tim ssh\n", "line 1: not a port, a client, a service and a time"},
        {"\n70000 tim ssh 1\n", "line 2: not a port"},
        {"0 tim ssh 1\n", "line 1: not a port"},
        {"20001 t--m ssh 1\n", "line 1: not a client and a service"},
        {"20001 tim ssh -1\n", "line 1: not a time"},
        {"20001 tim ssh 99999999999999999999\n", "line 1: not a time"},
        {"20001 tim a 1000000000\n20001 tom b 1000000000\n", "line 2: the port, or the service, stands twice"},
        {"20005 tom a 1000000000\n20006 tom a 1000000000\n", "line 2: the port, or the service, stands twice"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        OK_INT(port_book_read(b, bad[i].text, NOW, &err), -1);
        OK_TEXT(err.text, bad[i].wrong);
    }
    port_book_free(&b);
}

static const struct tap_case cases[] = {
    {"any port: the lowest that is free, else the one longest unused", given},
    {"a port by its number", wanted},
    {"ports that other programs have", other_programs},
    {"a client has so many", one_client},
    {"the file", file},
};

int main(void)
{
    return TAP_RUN(cases);
}
