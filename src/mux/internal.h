/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mux's parts, split by role: mux.c (life, what concerns no stream), stream.c (a stream's life and table), pull.c
 * (frames out), push.c (frames in), credit.c (how much may come), control.c (control frames that wait).
 */
#ifndef MUX_INTERNAL_H
#define MUX_INTERNAL_H

#include "base/list.h"
#include "base/object.h"
#include "mdm-tunnel/limits.h"
#include "mux/mux.h"

#define MUX_MAGIC 0x3c8d0001
#define MUX_STREAM_MAGIC 0x3c8d0002

/* Control frames as bytes, in order; at most MUX_CONTROL_MAX. */
struct control {
    uint8_t *bytes;
    size_t head, len, capacity;
};

/* Credit of what comes: allowed + bytes of a DATA frame still to come + held + owed == window, until FIN has come. */
struct credit {
    uint32_t window;     /* the credit in all */
    uint32_t allowed;    /* the peer may send so many more */
    uint32_t held;       /* delivered, and the user has not consumed them */
    uint32_t owed;       /* consumed, and not given back yet */
    uint64_t granted_us; /* since when the present credit is being used; 0: nothing has come yet */
};

struct mux_stream {
    OBJECT_MAGIC;
    uint32_t id;
    struct mux *mux;
    struct mux_stream *next_in_bucket;
    const struct mux_stream_events *events;
    void *ctx;
    struct list turn;       /* in mux->fresh or ready while it has DATA to send and may; in mux->dead at the end */
    uint64_t served_at;     /* mux->data_sent when it had its last turn; 0: none yet */
    struct list grant;      /* in mux->grants while a WINDOW is to be said */
    struct slice_queue out; /* accepted from the user, not framed yet */
    uint64_t send_credit;
    struct credit credit;
    bool ours, answered;    /* who opened it; whether ACCEPT was said */
    bool fin_queued, fin_sent, fin_received;
    bool peer_blocked;      /* the peer used up its credit since the last WINDOW */
    bool dead;
};

/* The frame that is coming in. */
struct inbound {
    uint8_t head[FRAME_HEAD_BYTES];
    size_t head_len;
    struct frame frame;        /* valid while `payload` */
    bool payload;              /* the head is complete and `left` bytes follow */
    size_t left;
    struct mux_stream *stream; /* DATA goes there; NULL: it is skipped */
    uint8_t *collected;        /* payload of a control frame that came in pieces */
    size_t collected_len;
};

struct mux {
    OBJECT_MAGIC;
    const struct mux_events *events;
    void *ctx;
    struct mux_config config;
    uint64_t now_us;
    uint32_t next_id;    /* the next that we open; 0: all are used up */
    uint32_t peer_id;    /* the highest that the peer has opened */
    uint64_t opens_due_us; /* when all that the peer has opened is paid for */
    struct mux_stream **buckets;
    size_t bucket_count; /* a power of two */
    unsigned count;
    unsigned pending_ours, pending_theirs; /* opened and not answered */
    size_t window_extra; /* credit of all streams beyond their initial one */
    struct list fresh;   /* as `ready`, but goes first: has not had its turn for as long as a turn of each takes */
    struct list ready, grants, dead;
    unsigned sending;    /* streams in `fresh` and `ready` */
    uint64_t data_sent;  /* bytes of DATA frames */
    unsigned busy;       /* calls that hold pointers to streams: the dead are freed after them */
    struct control control;
    struct slice services; /* a whole frame that is to be said */
    const struct error *goaway_said, *goaway_heard;
    const struct error *failed; /* the session has to end, and mux_push() will say so */
    const struct error *closing;
    struct inbound in;
};

/* -- mux.c -- */
void mux_enter(struct mux *m);
void mux_leave(struct mux *m);
void mux_wake(struct mux *m);

/* -- control.c -- */
/* Queues a frame. When that cannot be, the mux has failed. */
void control_say(struct mux *m, uint8_t type, uint32_t stream, const void *payload, size_t len);
void control_say_code(struct mux *m, uint8_t type, uint32_t stream, const struct error *reason);
/* Queues bytes of frames. */
bool control_append(struct mux *m, const void *bytes, size_t len);
size_t control_take(struct control *c, uint8_t *dst, size_t max);
void control_done(struct control *c);

/* -- stream.c -- */
struct mux_stream *stream_create(struct mux *m, uint32_t id, bool ours);
struct mux_stream *stream_find(const struct mux *m, uint32_t id);
/* Some stream, NULL when there is none. */
struct mux_stream *stream_any(const struct mux *m);
/* Whether this id belongs to a stream that was there once, so that late frames for it are nothing bad. */
bool stream_id_used(const struct mux *m, uint32_t id);
void stream_answered(struct mux_stream *s);
/* Puts the stream into a queue of those that can send DATA, or takes it out. */
void stream_schedule(struct mux_stream *s);
void stream_unschedule(struct mux_stream *s);
/* Over without a word to anybody. The object lives until the last mux_leave(). */
void stream_kill(struct mux_stream *s);
void stream_end(struct mux_stream *s, const struct error *reason);
void stream_end_if_finished(struct mux_stream *s);

/* -- credit.c -- */
void credit_init(struct mux_stream *s);
void credit_done(struct mux_stream *s);
/* DATA of `len` bytes begins; NULL or error_window_overrun. */
const struct error *credit_use(struct mux_stream *s, size_t len, bool peer_blocked);
void credit_say(struct mux_stream *s);

#endif
