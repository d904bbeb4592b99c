/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's parts, split by role: session.c (life, time), hello.c (handshake, resume, BYE), send.c (what goes out
 * and is kept), receive.c (what comes in, acknowledgements), window.c (how much may be in flight).
 */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "base/clock.h"
#include "base/object.h"
#include "mdm-tunnel/limits.h"
#include "session/session.h"
#include "wire/envelope.h"

#define SESSION_MAGIC 0x5e551045

/* What is to be sent at the next flush, beside the user's bytes. */
enum session_due {
    DUE_HELLO = 1 << 0,
    DUE_HELLO_ACK = 1 << 1,
    DUE_NACK = 1 << 2,
    DUE_ACK = 1 << 3,
    DUE_PROBE = 1 << 4, /* an ACK that wants an answer */
};

/* Why the flush stopped before the user had said all. */
enum session_blocked { BLOCKED_NOT, BLOCKED_WINDOW, BLOCKED_ROOM };

/* An envelope that the peer has not acknowledged. */
struct kept {
    struct slice envelope;
    uint64_t sent_us;
    bool ack_now, resent;
};

/*
 * DATA that was sent: `ring` holds first .. next - 1, of which again .. again_end - 1 are to be sent once more.
 *
 *      first          again        again_end            next
 *        |  on the way  |  missing    |    on the way     |   not made yet
 */
struct send_side {
    struct kept *ring; /* capacity is a power of two; `first` is at `head` */
    size_t capacity, head;
    uint64_t first, next;
    uint64_t again, again_end;
    uint64_t in_flight; /* bytes of bodies in the ring */
    uint64_t room;      /* what the peer takes beyond `first` */
    uint64_t lost_us;   /* the last one counts as lost then; CLOCK_NEVER: nothing is on the way */
    unsigned probes;    /* since the last progress */
    uint64_t retry_us;  /* there is room, but too little: it is asked for again then */
    enum session_blocked blocked;
};

/* DATA that came: all before `next` was delivered; `early` holds some from beyond the gap at `next`. */
struct receive_side {
    uint64_t next;
    uint64_t end;        /* the peer has sent all before this */
    struct slice *early; /* bodies, envelope n at n % capacity; NULL while there was no gap */
    size_t early_capacity, early_count, early_bytes;
    uint64_t bytes;      /* of bodies delivered in all */
    uint64_t unacked;    /* bytes of bodies delivered since the last acknowledgement */
    uint64_t ack_us;     /* a delayed ACK is due then */
    uint64_t nack_us;    /* the gap is complained about again then; CLOCK_NEVER: no gap */
    uint64_t nack_end;   /* the last complaint was about what is before this */
    unsigned nacks;      /* complaints since the gap last got smaller */
};

#define WINDOW_ROUNDS 8

/* What is known of the way, and the window that follows from it (window.c). */
struct window {
    uint64_t bytes;
    uint64_t rtt_us, rtt_var_us; /* smoothed (RFC 6298); 0: not measured yet */
    uint64_t rtt_min_us, rtt_min_at_us;
    uint64_t prompt_us;          /* an answer without delay is asked for from then on */
    bool starting;               /* doubles as long as that brings more through */
    uint64_t start_rate;         /* what the best round brought until now */
    unsigned start_flat;         /* rounds since then */
    bool draining;               /* sends less for a moment to see the way's own round trip again */
    uint64_t draining_since_us;
    uint64_t drained_seq;        /* measures from this envelope on; UINT64_MAX: not drained yet */
    uint64_t delivered;          /* bytes acknowledged in all */
    uint64_t round_end, round_us, round_delivered, round_received;
    uint64_t round_rtt_us;       /* the lowest in this round */
    bool round_limited;          /* window or carrier stopped the sender in this round */
    uint64_t rates[WINDOW_ROUNDS]; /* bytes a second of the last rounds that were limited */
    unsigned rounds;
    uint64_t rate;
    uint64_t against;            /* bytes a second that came the other way in the last of them */
    uint64_t loss_us;
    bool lossy;                  /* has seen loss: grows gently */
};

struct session {
    OBJECT_MAGIC;
    uint32_t id;
    enum session_state state;
    bool initiator, carrier, stalled, closing;
    unsigned due;                     /* enum session_due */
    const struct session_events *events;
    void *ctx;
    struct session_config config;     /* max_envelope and grace_us: the smaller ones once the peer has said its own */
    uint64_t now_us;                  /* as of the last call that said it */
    uint64_t sent_us, received_us;    /* anything */
    uint64_t away_us;                 /* NEW, HELLO_SENT, AWAY: since when */
    uint64_t hello_us, hello_sent_us; /* next HELLO; the last one */
    unsigned hellos;                  /* since the handshake began */
    struct send_side send;
    struct receive_side receive;
    struct window window;
    struct session_stats counts;      /* only sent, resent, received, duplicates are kept here */
};

/* -- session.c -- */
void session_set_state(struct session *s, enum session_state state);
void session_want(struct session *s, unsigned due);
/* Ends without BYE. Everything that is kept is released. */
void session_end(struct session *s, const struct error *reason);

/* -- hello.c -- */
void hello_start(struct session *s); /* the handshake begins (again) */
bool hello_send(struct session *s, enum envelope_type type);
void hello_receive(struct session *s, const struct envelope *e, const uint8_t *body, size_t len);
void hello_ack_receive(struct session *s, const struct envelope *e, const uint8_t *body, size_t len);
void session_go_away(struct session *s);
void bye_receive(struct session *s, const uint8_t *body, size_t len);

/* -- send.c -- */
void send_init(struct send_side *t);
void send_done(struct send_side *t);
/* Whether an envelope of `len` bytes fits now. False: the flush is blocked. */
bool send_fits(struct session *s, size_t len);
/* One envelope that is not kept. False: no room, the caller tries again when there is. */
bool send_plain(struct session *s, enum envelope_type type, uint8_t flags, uint64_t seq, const void *body, size_t len);
void send_missing(struct session *s); /* what is to be sent again */
void send_new(struct session *s);     /* what the user has to say */
/* Takes in what the peer has; false when the session has ended over it (it acknowledges what was never sent). */
bool send_acknowledged(struct session *s, const struct envelope *e);
void send_again(struct session *s, uint64_t end); /* all from `first` to `end` is missing there */
void send_lost(struct session *s);                /* the timer of the tail has run out */

/* -- receive.c -- */
void receive_init(struct receive_side *r);
void receive_done(struct receive_side *r);
void receive_data(struct session *s, const struct envelope *e, const struct slice *body);
/* The peer has sent all before `end`: what is not here yet is missing. */
void receive_end_known(struct session *s, uint64_t end);
void receive_nack_send(struct session *s);
/* Some envelope with our `ack` has just gone out. */
void receive_ack_sent(struct session *s);
uint32_t receive_room(const struct session *s);

/* -- window.c -- */
void window_init(struct session *s);
uint64_t window_now(const struct session *s);
void window_rtt(struct session *s, uint64_t rtt_us, bool prompt, uint64_t seq);
/* Whether the envelope that is to be sent now shows the way's own round trip, and is to be answered without delay. */
bool window_wants_answer(struct session *s);
void window_delivered(struct session *s, uint64_t bytes);
void window_lost(struct session *s);
uint64_t window_timeout(const struct session *s);

#endif
