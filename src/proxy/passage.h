/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet on its way from one side to the other: steps, each of which may ask hooks a question that is answered later. What
 * hooks changed, and only that, is encoded again.
 */
#ifndef PROXY_PASSAGE_H
#define PROXY_PASSAGE_H

#include "proxy/inner.h"

#define PASSAGE_KEPT_MAX 6

/* Filters of a SUBSCRIBE or UNSUBSCRIBE as they stand in the packet; grows. */
struct filter_text {
    uint8_t *data;
    size_t len, size;
};

struct passage {
    struct pair *pair;
    bool up;
    unsigned step;
    struct slice bytes; /* the packet as it is now */
    bool in_place;      /* it stands where it came, which is being taken apart: it can go on with its neighbours */
    struct mqtt_header h;
    struct mqtt_packet packet;
    bool changed; /* `packet` is not what stands in `bytes` */
    bool altered; /* `bytes` are not what came */
    bool sent;    /* they have gone on */
    const char *verdict; /* of the last question that was not allowed; NULL: all were */
    unsigned reason;     /* of that denial */
    struct mqtt_span topic; /* of PUBLISH as the sender means it, with an alias resolved */
    struct mdm_question *q; /* asked */
    /* what `packet` points into besides `bytes` */
    struct mdm_question *kept[2];
    unsigned kept_count;
    struct chunk *own[PASSAGE_KEPT_MAX];
    unsigned own_count;
    /* of a SUBSCRIBE or UNSUBSCRIBE */
    struct mqtt_span rest;     /* filters that were not looked at yet */
    struct mqtt_filter filter; /* the one that is looked at */
    struct filter_text wire, said;
    uint8_t *codes; /* a byte for each filter; 0: goes on */
    size_t count, denied;
};

/* What became of a step. */
enum passed {
    PASSED,   /* on to the next one */
    REPEATED, /* the same one again */
    ASKED,    /* the answer follows */
    GONE,     /* the packet has come to its end here */
};

/* -- passage_connect.c: CONNECT and CONNACK */
enum passed connect_decoded(struct passage *g);
enum passed connect_ask(struct passage *g);
enum passed connect_answered(struct passage *g, struct mdm_question *q, bool allowed);
enum passed will_ask(struct passage *g);
enum passed will_answered(struct passage *g, struct mdm_question *q, bool allowed);
enum passed connack_decoded(struct passage *g);
void connack_sent(struct passage *g);

/* -- passage_publish.c: PUBLISH, both ways, and PUBREL of what was denied */
enum passed publish_decoded(struct passage *g);
enum passed publish_ask(struct passage *g);
enum passed publish_answered(struct passage *g, struct mdm_question *q, bool allowed);
enum passed publish_shape(struct passage *g);
enum passed pubrel_decoded(struct passage *g);

/* -- passage_subscribe.c: SUBSCRIBE, UNSUBSCRIBE, SUBACK */
enum passed subscribe_decoded(struct passage *g);
enum passed subscribe_ask(struct passage *g);
enum passed subscribe_answered(struct passage *g, struct mdm_question *q, bool allowed);
enum passed subscribe_shape(struct passage *g);
enum passed suback_decoded(struct passage *g);
void subscribe_sent(struct passage *g);

/* -- passage.c: for those */
/* Asks; PASSED, ASKED or GONE come of it as `answered` says. q NULL: no memory. */
enum passed passage_ask(struct passage *g, struct mdm_question *q);
/* The question stays as long as the passage: `packet` points into it. */
void passage_keep(struct passage *g, struct mdm_question *q);
/* A chunk of the passage's own; NULL: no memory, and the pair has ended. */
uint8_t *passage_room(struct passage *g, size_t size);
/* The same properties with this one, whether it was there or not; without it when `number` is 0. */
struct mqtt_span passage_property(struct passage *g, struct mqtt_span properties, enum mqtt_property_id id, uint32_t number);
/* The name that the other side knows a topic or a filter by: valid as long as the passage; as it is where nothing rewrites.
 * False: the pair has ended. */
bool passage_rewrite(struct passage *g, struct mqtt_span *topic, bool filter);
/* Whether what hooks do needs the topics of this direction. */
bool topics_matter(const struct pair *p, bool up);

#endif
