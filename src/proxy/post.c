/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's part of the proxy: its listening sockets, its pairs and gateways. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rates.h"
#include "proxy/http.h"

struct post_entry {
    struct list node;
    struct proxy_post *post;
    const struct proxy_door *door;
    struct listener listener;
};

/* Before anything of it is read: a handshake costs more than the whole refusal. */
static bool comes_too_often(const struct proxy_post *p, const struct sockaddr *peer)
{
    const struct proxy_common *c = p->common;
    char text[TCP_ADDRESS_TEXT];
    if (c->connect_rate == 0)
        return false;
    uint64_t network = tcp_address_network(peer);
    if (rates_take(c->rates, &network, sizeof(network), c->connect_rate, c->connect_burst, worker_now_us(p->worker)) == 0)
        return false;
    counter_add(counters_self(), COUNTER_proxy_limited, 1);
    if (log_wanted(LOG_LEVEL_DEBUG)) {
        tcp_address_text(peer, text, sizeof(text));
        log_debug(text, "refused: it connects too often");
    }
    return true;
}

static void entry_accepted(void *ctx, int fd, const struct sockaddr *peer)
{
    struct post_entry *e = ctx;
    if (comes_too_often(e->post, peer)) {
        close(fd);
        return;
    }
    if (e->door->http)
        gateway_accept(e->post, e->door, fd, peer);
    else
        pair_accept(e->post, e->door, fd, peer);
}

bool post_listen(struct proxy_post *p, const struct proxy_door *door, int fd)
{
    struct post_entry *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        close(fd);
        return false;
    }
    e->post = p;
    e->door = door;
    if (!listener_start(&e->listener, p->worker, fd, entry_accepted, e)) {
        free(e);
        return false;
    }
    list_append(&p->entries, &e->node);
    return true;
}

static void entries_close(struct proxy_post *p)
{
    for (struct list *node; (node = list_shift(&p->entries)) != NULL;) {
        struct post_entry *e = CONTAINER_OF(node, struct post_entry, node);
        listener_stop(&e->listener);
        free(e);
    }
}

static void sweep_run(struct turn *t)
{
    struct proxy_post *p = CONTAINER_OF(t, struct proxy_post, sweep);
    for (struct list *node; (node = list_shift(&p->ended)) != NULL;)
        pair_free(CONTAINER_OF(node, struct pair, at_post));
    for (struct list *node; (node = list_shift(&p->ended_gateways)) != NULL;)
        gateway_free(CONTAINER_OF(node, struct gateway, at_post));
    if (p->draining && list_empty(&p->pairs) && list_empty(&p->gateways))
        p->common->emptied(p->common->ctx);
}

struct proxy_post *post_create(const struct proxy_common *common, struct worker *w, unsigned index)
{
    struct proxy_post *p;
    ALLOC_OBJECT(p, POST_MAGIC);
    if (p == NULL)
        return NULL;
    p->common = common;
    p->worker = w;
    p->index = index;
    list_init(&p->entries);
    list_init(&p->pairs);
    list_init(&p->ended);
    list_init(&p->gateways);
    list_init(&p->ended_gateways);
    turn_init(&p->sweep, sweep_run);
    line_tap_init(&p->access, common->access, w);
    line_tap_init(&p->packets, common->packets, w);
    return p;
}

void post_drain(struct proxy_post *p)
{
    CHECK_OBJECT(p, POST_MAGIC);
    entries_close(p);
    struct list all;
    list_init(&all);
    list_splice(&all, &p->pairs);
    for (struct list *node; (node = list_shift(&all)) != NULL;) {
        list_append(&p->pairs, node);
        pair_fail(CONTAINER_OF(node, struct pair, at_post), MQTT_SERVER_SHUTTING_DOWN, "the proxy ends");
    }
    list_splice(&all, &p->gateways);
    for (struct list *node; (node = list_shift(&all)) != NULL;) {
        list_append(&p->gateways, node);
        gateway_drain(CONTAINER_OF(node, struct gateway, at_post));
    }
    p->draining = true;
    worker_at_turn(p->worker, TURN_WRITE, &p->sweep);
}

void post_free(struct proxy_post **pp)
{
    struct proxy_post *p;
    if (*pp == NULL)
        return;
    TAKE_OBJECT(p, pp, POST_MAGIC);
    p->draining = false;
    turn_cancel(&p->sweep);
    entries_close(p);
    list_splice(&p->ended, &p->pairs);
    list_splice(&p->ended_gateways, &p->gateways);
    sweep_run(&p->sweep);
    chunk_unref(p->input);
    packet_memory_free(p);
    question_store_done(&p->questions);
    line_tap_done(&p->access);
    line_tap_done(&p->packets);
    FREE_OBJECT(p);
}
