/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roll call: who is there is asked, and answered, because a broker's memory does not do for all. RabbitMQ 3.10 gives a
 * retained message only to a filter without wildcards, and only on the node that took it; a will dies with its node; and
 * where an instance has come back through another node, the will of its old connection may be heard after its new
 * presence.
 *
 * So a program that watches presence asks (PREFIX/who) when its link is up (a workstation only at a foreign broker: ours does
 * not let it, and remembers), and once more, for those who came while a
 * cluster was still telling its nodes; who is there says its presence again, at a random moment of ANSWER_US. What was not
 * said again by then is gone. Who sees his own presence taken back says it again. Private to this layer; pure timing.
 */
#ifndef PEER_ROLL_H
#define PEER_ROLL_H

#include <event2/event_struct.h>
#include <stdbool.h>

struct hub_shard;

struct roll {
    struct event ask;      /* the second question, then the end of the call */
    struct event announce; /* our own presence is to be said again */
    bool asked_again;
};

void roll_init(struct hub_shard *s);
void roll_done(struct hub_shard *s);
/* The link has come or gone. */
void roll_link(struct hub_shard *s, bool up);
/* Somebody asks who is there. */
void roll_asked(struct hub_shard *s);
/* Our presence was taken back, and not by us. */
void roll_taken_back(struct hub_shard *s);

#endif
