/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to denied messages. The broker answers in the order of what it got, so counting is enough: ours waits until as many
 * answers have come as messages were sent before it.
 */
#include <stdlib.h>

#include "proxy/inner.h"

struct denial {
    struct list node;
    uint64_t after; /* so many answers of the broker */
    enum mqtt_type type;
    struct mqtt_ack ack;
};

static struct denials *of_type(struct pair *p, enum mqtt_type type) { return &p->denials[type == MQTT_PUBREC]; }

void denials_init(struct pair *p)
{
    list_init(&p->denials[0].waiting);
    list_init(&p->denials[1].waiting);
}

void denials_sent(struct pair *p, unsigned qos)
{
    if (qos > 0)
        p->denials[qos - 1].sent++;
}

static void answer_send(struct pair *p, enum mqtt_type type, const struct mqtt_ack *ack)
{
    side_send(&p->client, &(struct mqtt_packet){.type = type, .ack = *ack});
}

void denials_answer(struct pair *p, enum mqtt_type type, const struct mqtt_ack *ack)
{
    struct denials *d = of_type(p, type);
    if (d->answered >= d->sent) {
        answer_send(p, type, ack);
        return;
    }
    struct denial *denial = malloc(sizeof(*denial));
    if (denial == NULL) {
        pair_close(p, "out of memory");
        return;
    }
    *denial = (struct denial){.after = d->sent, .type = type, .ack = *ack};
    list_append(&d->waiting, &denial->node);
    d->count++;
}

static struct denial *first(const struct denials *d)
{
    return list_empty(&d->waiting) ? NULL : CONTAINER_OF(d->waiting.next, struct denial, node);
}

void denials_answered(struct pair *p, enum mqtt_type type)
{
    struct denials *d = of_type(p, type);
    struct denial *next;
    bool full = denials_full(p);
    d->answered += d->answered < d->sent;
    while ((next = first(d)) != NULL && next->after <= d->answered && p->state < PAIR_CLOSING) {
        list_remove(&next->node);
        d->count--;
        answer_send(p, next->type, &next->ack);
        free(next);
    }
    if (full && !denials_full(p) && p->state < PAIR_CLOSING)
        side_update(&p->client);
}

bool denials_full(const struct pair *p) { return p->denials[0].count + p->denials[1].count >= PROXY_DENIALS_MAX; }

void denials_done(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++)
        for (struct list *node; (node = list_shift(&p->denials[i].waiting)) != NULL;)
            free(CONTAINER_OF(node, struct denial, node));
}
