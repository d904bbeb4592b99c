/* SPDX-License-Identifier: Apache-2.0 */
/* From targets to sockets: addresses without waiting, errors as visitors are told. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "dial/dial.h"
#include "tap.h"

static void numeric_addresses(void)
{
    struct address list[LOOKUP_ADDRESSES_MAX];
    OK_INT(lookup_numeric("192.0.2.1", 80, list), 1);
    const struct sockaddr_in *in = (const void *)&list[0].at;
    OK_INT(in->sin_family, AF_INET);
    OK_INT(ntohs(in->sin_port), 80);
    OK_INT(ntohl(in->sin_addr.s_addr), 0xc0000201);
    OK_INT(lookup_numeric("2001:db8::1", 443, list), 1);
    OK_INT(list[0].at.ss_family, AF_INET6);
    OK_INT(ntohs(((const struct sockaddr_in6 *)(const void *)&list[0].at)->sin6_port), 443);
    OK_INT(list[0].len, sizeof(struct sockaddr_in6));
}

static void localhost_is_both_loopbacks(void)
{
    const char *const names[] = {"localhost", "LocalHost"};
    for (size_t i = 0; i < 2; i++) {
        struct address list[LOOKUP_ADDRESSES_MAX];
        OK_INT(lookup_numeric(names[i], 9000, list), 2);
        OK_INT(list[0].at.ss_family, AF_INET);
        OK_INT(ntohl(((const struct sockaddr_in *)(const void *)&list[0].at)->sin_addr.s_addr), INADDR_LOOPBACK);
        OK_INT(list[1].at.ss_family, AF_INET6);
        OK(IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)&list[1].at)->sin6_addr));
    }
}

static void names_are_not_numeric(void)
{
    struct address list[LOOKUP_ADDRESSES_MAX];
    OK_INT(lookup_numeric("example.com", 80, list), 0);
    OK_INT(lookup_numeric("localhost.example", 80, list), 0);
    OK_INT(lookup_numeric("", 80, list), 0);
}

static void errors_for_visitors(void)
{
    OK(dial_error(ECONNREFUSED) == &error_service_refused);
    OK(dial_error(ENOENT) == &error_service_refused);
    OK(dial_error(EHOSTUNREACH) == &error_service_refused);
    OK(dial_error(ETIMEDOUT) == &error_service_timeout);
    OK(dial_error(ECONNRESET) == &error_service_reset);
    OK(dial_error(EMFILE) == &error_limit);
    OK(dial_error(EADDRNOTAVAIL) == &error_limit);
    OK(dial_error(ENOMEM) == &error_no_memory);
}

/* -- the thread that asks ------------------------------------------------------------------------------------------ */

static unsigned answers;
static size_t last_count;

static void on_answer(void *ctx, const struct address *list, size_t count, const char *why)
{
    (void)ctx;
    (void)list;
    answers++;
    last_count = count;
    OK(count > 0 || why[0] != '\0');
}

struct ask {
    struct mail mail;
    struct lookups *lookups;
    struct worker *worker;
    bool cancel;
};

static void ask_run(struct worker *self, struct mail *m)
{
    struct ask *a = CONTAINER_OF(m, struct ask, mail);
    (void)self;
    struct lookup *k = lookup_ask(a->lookups, a->worker, "no-such-host.invalid", 1, on_answer, a);
    OK(k != NULL);
    if (a->cancel) {
        lookup_cancel(&k);
        OK(k == NULL);
        lookup_cancel(&k);
    }
}

static void ask_discard(struct mail *m) { (void)m; }

/* Ends with questions that wait, are on their way, or were cancelled: nothing is leaked, nobody is called. */
static void ends_at_any_moment(void)
{
    struct worker *w = worker_create("test", 0);
    struct lookups *l = lookups_create();
    struct ask asks[8];
    answers = 0;
    worker_start(w);
    for (unsigned i = 0; i < 8; i++) {
        asks[i] = (struct ask){
            .mail = {.deliver = ask_run, .discard = ask_discard}, .lookups = l, .worker = w, .cancel = i % 2 == 0};
        worker_post(w, &asks[i].mail);
    }
    worker_stop(w);
    OK(answers <= 4);
    lookups_free(&l);
    OK(l == NULL);
    worker_free(&w);
    OK_INT(last_count, 0);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"numeric addresses", numeric_addresses},
        {"localhost is both loopbacks", localhost_is_both_loopbacks},
        {"names are not numeric", names_are_not_numeric},
        {"errors for visitors", errors_for_visitors},
        {"ends at any moment", ends_at_any_moment},
    };
    return TAP_RUN(cases);
}
