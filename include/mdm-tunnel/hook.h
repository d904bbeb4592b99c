/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: code that says what MQTT clients may do, changes what they send, and hears what they did. A hook is a shared
 * object that defines mdm_hook_open(); mdm-tunnel-hook(3) tells it in order, examples/hooks/simple.c is one.
 *
 * Threads. A program has several worker threads. All calls about one session come from the same one, one after the other;
 * calls about different sessions come at the same time. No call may block: who has to ask somebody else returns MDM_LATER
 * and answers later, from any thread.
 *
 * Memory. What a call is handed is the program's. It is valid until the call returns; after MDM_LATER until the answer has
 * been given, the session included. Text ends with a NUL and is valid UTF-8 without others.
 */
#ifndef MDM_TUNNEL_HOOK_H
#define MDM_TUNNEL_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of this interface. A new one is made when something that exists changes; what is added at the end of a struct does not. */
#define MDM_HOOK_VERSION 1

struct mdm_bytes {
    const void *data; /* NULL: absent */
    size_t len;
};

struct mdm_header {
    const char *name, *value;
};

/* Whose session it is: from its CONNECT on; by HTTP, a request's, or that of its WebSocket. */
struct mdm_session {
    uint64_t number;        /* of this process: 1, 2, ... */
    const char *client_id;  /* "" until the broker has assigned one */
    const char *username;   /* NULL: none */
    const char *address;    /* "192.0.2.1:4711" */
    const char *listener;   /* "mqtts", "http" */
    unsigned version;       /* 3 (MQTT 3.1), 4 (3.1.1), 5; 0: HTTP */
    /* Of the certificate that it has shown; NULL: none. */
    const char *certificate;             /* "CN=tim,O=home" (RFC 4514) */
    const char *certificate_cn;          /* NULL also when there is no one name */
    const char *certificate_names;       /* "DNS:tim.example.com,IP Address:192.0.2.1"; "" */
    const char *certificate_fingerprint; /* "SHA256:..." as ssh-keygen(1) writes it */
    /* Of the HTTP request, or of the one for its WebSocket, in their order; "" as the name of the request line. 0: none. */
    const struct mdm_header *headers;
    size_t header_count;
};

struct mdm_connect {
    const char *client_id; /* "" when the broker is to choose one */
    const char *username;  /* NULL: none */
    struct mdm_bytes password; /* by HTTP: of Basic; else all of `Authorization`, or of `authorization` in the query */
    bool clean; /* clean start, clean session */
    unsigned keep_alive_s;
};

struct mdm_publish {
    const char *topic; /* as the client says it; by HTTP, the path without the query, not decoded */
    struct mdm_bytes payload;
    unsigned qos;
    bool retain;
    bool will; /* it is the will in a CONNECT: to be published when the client is lost */
};

struct mdm_subscribe {
    const char *filter; /* as the client says it; one of those in the packet; by HTTP, the path of a WebSocket */
    unsigned qos;
};

/* A visitor's request to a service of a client of mdm-tunnel-server. */
struct mdm_request {
    const char *client_id, *service;
    const char *method, *path; /* the path with its query, as it came */
    const char *address;       /* the visitor's */
    const struct mdm_header *headers;
    size_t header_count;
};

enum mdm_direction { MDM_TO_BROKER, MDM_TO_CLIENT };
enum mdm_stage {
    MDM_BEFORE, /* as it came */
    MDM_AFTER,  /* authorized and rewritten: as it leaves */
};

/* What passes at a listener for HTTP. */
enum mdm_packet_type {
    MDM_HTTP_REQUEST = 16, /* its head, up to the empty line */
    MDM_HTTP_RESPONSE,     /* likewise; that of a WebSocket (101) and early ones (103), too */
    MDM_WEBSOCKET_TEXT,    /* a message, without its frames and masks; may be empty */
    MDM_WEBSOCKET_BINARY,
};

struct mdm_packet {
    enum mdm_direction direction; /* the target of HTTP is the broker here */
    enum mdm_stage stage;
    unsigned type;          /* MQTT's (1 CONNECT, 3 PUBLISH, ... 15), or enum mdm_packet_type */
    struct mdm_bytes bytes; /* all of it; of MQTT, the fixed header first */
};

enum mdm_verdict {
    MDM_DENY,
    MDM_ALLOW,
    MDM_LATER, /* mdm_hook_host.answer() will be called once, perhaps already from another thread */
};

/* A question that a hook has to answer. The program's until then, and not valid after. */
struct mdm_question;

/* What may be changed before MDM_ALLOW. */
enum mdm_field {
    MDM_CLIENT_ID, /* of auth_connect */
    MDM_USERNAME,  /* data NULL: none */
    MDM_PASSWORD,  /* data NULL: none */
    MDM_TOPIC,     /* of auth_publish, also of a will; and the filter of auth_subscribe */
    MDM_PAYLOAD,   /* of auth_publish */
    MDM_QOS,       /* of auth_subscribe: one byte */
    MDM_PACKET,    /* of intercept: a whole packet of the same type; of a head, one that says the same about the body */
    MDM_FIELDS
};

/* What a hook may call; valid until its close(). */
struct mdm_hook_host {
    unsigned version; /* MDM_HOOK_VERSION */
    size_t size;      /* of this struct */
    /* Puts a copy in a field's place: before the call returns, or (after MDM_LATER) before the answer. False: the field is
     * not of this question, too long, or no memory. */
    bool (*replace)(struct mdm_question *q, enum mdm_field field, const void *data, size_t len);
    /* With a denial: the reason code that MQTT 5 has for the answer (default 0x87, not authorized; 0x86 is turned into 4 for
     * older clients), or the status for who has asked by HTTP (400..599; default 401 for auth_connect, 502 for intercept of a response,
     * 403 for others); and
     * words (copied; NULL: none), for the log and the body of an HTTP answer. Of a
     * visitor's request: the same, 403 otherwise, and words for its page. */
    void (*refuse)(struct mdm_question *q, unsigned reason, const char *words);
    /* The answer to a question whose call returned MDM_LATER: MDM_ALLOW or MDM_DENY. Any thread, never blocks. */
    void (*answer)(struct mdm_question *q, enum mdm_verdict verdict);
    /* A line in the program's log (with -v). Any thread. */
    void (*log)(const char *text);
};

/*
 * The functions of a hook; NULL: it is not interested (and allows). Several hooks are asked in their order; the first
 * denial decides. auth_* see what those before have put in place. No answer within the program's time is a denial.
 */
struct mdm_hook {
    unsigned version; /* MDM_HOOK_VERSION */
    size_t size;      /* of this struct: sizeof(struct mdm_hook) */
    void *ctx;        /* given to each */

    /* May this client connect? Its will is asked for after it, with auth_publish. */
    enum mdm_verdict (*auth_connect)(void *ctx, const struct mdm_session *s, struct mdm_question *q,
                                     const struct mdm_connect *c);
    enum mdm_verdict (*auth_publish)(void *ctx, const struct mdm_session *s, struct mdm_question *q,
                                     const struct mdm_publish *p);
    /* For each filter of the packet. */
    enum mdm_verdict (*auth_subscribe)(void *ctx, const struct mdm_session *s, struct mdm_question *q,
                                       const struct mdm_subscribe *f);
    /*
     * A packet on its way. MDM_DENY drops it; in the place of an HTTP request or response its client gets the status and words of
     * refuse() (otherwise 403 and 502). Bodies of HTTP and control frames of WebSocket are not shown.
     */
    enum mdm_verdict (*intercept)(void *ctx, const struct mdm_session *s, struct mdm_question *q,
                                  const struct mdm_packet *p);

    /*
     * The name that the other side knows a topic by: of PUBLISH both ways, of the will, of a filter in SUBSCRIBE and
     * UNSUBSCRIBE (MDM_TO_BROKER, `filter`: wildcards stay what they are). Called after auth_*; towards clients the hooks
     * are called in reverse order. Writes it to `out` (`size` bytes) and returns its length; 0: as it is. The same topic has to
     * lead to the same name as long as the session lasts.
     */
    size_t (*rewrite)(void *ctx, const struct mdm_session *s, enum mdm_direction direction, const char *topic, bool filter,
                      char *out, size_t size);

    /* News, after the fact: the broker has accepted the client; a packet was sent on to the broker. Topics as the client
     * says them, or as auth_* changed them. */
    void (*connect)(void *ctx, const struct mdm_session *s);
    void (*publish)(void *ctx, const struct mdm_session *s, const struct mdm_publish *p);
    void (*subscribe)(void *ctx, const struct mdm_session *s, const struct mdm_subscribe *f);
    void (*unsubscribe)(void *ctx, const struct mdm_session *s, const char *filter);
    /* Once for each session that `connect` was called for. */
    void (*disconnect)(void *ctx, const struct mdm_session *s, const char *why);

    /* May this request go to the service? */
    enum mdm_verdict (*auth_request)(void *ctx, struct mdm_question *q, const struct mdm_request *r);

    /* The program ends: no call comes any more, no answer may follow. Frees the hook. */
    void (*close)(void *ctx);
};

/*
 * What a shared object defines. `settings`: what stands behind the '=' of --hook FILE=SETTINGS; "" when nothing does. Returns the
 * hook, which lives until its close(); or NULL with a reason in `error` (`error_size` bytes). Called once for each --hook, before
 * the workers start.
 */
const struct mdm_hook *mdm_hook_open(const struct mdm_hook_host *host, const char *settings, char *error,
                                     size_t error_size);

#ifdef __cplusplus
}
#endif
#endif
