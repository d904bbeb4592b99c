/* SPDX-License-Identifier: Apache-2.0 */
/* The book, its page, and requests that are sent again. */
#include "client/inspector.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "inspect/api.h"

#define INSPECTOR_MAGIC 0x494e5350

struct inspector {
    OBJECT_MAGIC;
    struct book *book;
    struct inspect_api api;
    struct web_address address; /* as it was asked for */
    struct web *web;
    struct crew *crew;
    struct client_shard *shard; /* worker 0's */
    atomic_uint resends;        /* on their way */
};

/* An order on its way to worker 0. */
struct letter {
    struct inspector *inspector;
    struct resend_order order;
};

/* -- sent again ------------------------------------------------------------------------------------------------------ */

void inspector_resent(struct inspector *i)
{
    CHECK_OBJECT(i, INSPECTOR_MAGIC);
    atomic_fetch_sub(&i->resends, 1);
}

void inspector_drop(struct inspector *i, struct resend_order *order, const char *why)
{
    book_lock(i->book);
    book_end(i->book, order->record, RECORD_CUT, why);
    book_give_back(i->book, &order->record);
    book_unlock(i->book);
    free(order->bytes);
    order->bytes = NULL;
    inspector_resent(i);
}

static void letter_discard(void *arg)
{
    struct letter *l = arg;
    inspector_drop(l->inspector, &l->order, error_shutting_down.text);
    free(l);
}

static void letter_open(void *ctx, unsigned worker, void *arg)
{
    struct inspector *i = ctx;
    struct letter *l = arg;
    CHECK_OBJECT(i, INSPECTOR_MAGIC);
    (void)worker;
    resend_start(i->shard, &l->order);
    free(l);
}

/* On the web's thread. */
static bool on_resend(void *ctx, struct record *r, char *bytes, size_t len)
{
    struct inspector *i = ctx;
    CHECK_OBJECT(i, INSPECTOR_MAGIC);
    struct letter *l = atomic_load(&i->resends) < INSPECT_RESENDS_MAX ? malloc(sizeof(*l)) : NULL;
    if (l == NULL)
        return false;
    *l = (struct letter){i, {r, bytes, len}};
    atomic_fetch_add(&i->resends, 1);
    crew_run(i->crew, 0, letter_open, i, l, letter_discard);
    return true;
}

/* -- its life ------------------------------------------------------------------------------------------------------ */

static bool is_loopback(const struct web_address *a)
{
    return a->at.any.sa_family == AF_INET ? ntohl(a->at.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                          : IN6_IS_ADDR_LOOPBACK(&a->at.v6.sin6_addr);
}

static bool address_read(const char *at, struct web_address *out, struct config_error *err)
{
    const char *why = web_address_parse(at, out);
    if (why != NULL)
        config_error_set(err, "inspect: \"%.100s\": %s", at, why);
    else if (!is_loopback(out))
        config_error_set(err, "inspect: \"%.100s\": others could read along: give an address of this machine alone, such as 127.0.0.1", at);
    else
        return true;
    return false;
}

bool inspector_may_listen(const char *at, struct config_error *err)
{
    struct web_address address;
    return address_read(at, &address, err);
}

static bool web_make(struct inspector *i, const char *at, struct config_error *err)
{
    struct web_config web = {.addresses = {i->address}, .address_count = 1, .body_max = 2 * INSPECT_EDIT_MAX, .handle = inspect_api_handle, .ctx = &i->api};
    unsigned bad;
    int failure;
    i->web = web_create(&web, &failure, &bad);
    if (i->web == NULL)
        config_error_set(err, "inspect: cannot listen on %.100s: %s", at, strerror(failure));
    return i->web != NULL;
}

struct inspector *inspector_create(const struct inspector_config *config, struct config_error *err)
{
    struct inspector *i;
    ALLOC_OBJECT(i, INSPECTOR_MAGIC);
    if (i != NULL)
        i->book = book_create(&(struct book_limits){INSPECT_RECORDS_MAX, INSPECT_BYTES_MAX});
    if (i == NULL || i->book == NULL) {
        config_error_set(err, "out of memory");
        inspector_free(&i);
        return NULL;
    }
    i->api = (struct inspect_api){
        .book = i->book, .client = config->client, .reveal = config->secrets, .resend = on_resend, .ctx = i};
    if (config->at != NULL && (!address_read(config->at, &i->address, err) || !web_make(i, config->at, err)))
        inspector_free(&i);
    return i;
}

int inspector_start(struct inspector *i, struct crew *crew, struct client_shard *shard)
{
    CHECK_OBJECT(i, INSPECTOR_MAGIC);
    i->crew = crew;
    i->shard = shard;
    return i->web != NULL ? web_start(i->web) : 0;
}

void inspector_stop(struct inspector *i)
{
    CHECK_OBJECT(i, INSPECTOR_MAGIC);
    if (i->web != NULL)
        web_stop(i->web);
}

void inspector_free(struct inspector **ip)
{
    struct inspector *i;
    if (*ip == NULL)
        return;
    TAKE_OBJECT(i, ip, INSPECTOR_MAGIC);
    if (i->web != NULL)
        web_free(&i->web);
    book_free(&i->book);
    FREE_OBJECT(i);
}

void inspector_url(const struct inspector *i, char out[static INSPECTOR_URL_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "";
    out[0] = '\0';
    if (i->web == NULL)
        return;
    bool v6 = i->address.at.any.sa_family == AF_INET6;
    inet_ntop(i->address.at.any.sa_family, v6 ? (const void *)&i->address.at.v6.sin6_addr : (const void *)&i->address.at.v4.sin_addr,
              host, sizeof(host));
    snprintf(out, INSPECTOR_URL_BYTES, v6 ? "http://[%s]:%u/" : "http://%s:%u/", host, web_port(i->web, 0));
}

struct book *inspector_book(struct inspector *i) { return i->book; }
