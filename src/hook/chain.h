/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks of a program, in order, as one. Made before the workers start and constant from then on.
 *
 *     question_create, question_ask     MDM_LATER: the owner's `done` follows, on its worker
 *     question_forget or question_free  the owner goes on, or away
 */
#ifndef HOOK_CHAIN_H
#define HOOK_CHAIN_H

#include "base/chunk.h"
#include "base/worker.h"
#include "hook/session.h"
#include "mqtt/packet.h"
#include "wire/http.h"

struct hook_chain;

struct hook_chain *hook_chain_create(void);
/* Takes the hook over, its close() included. False: there are HOOKS_MAX, or its version is not ours (it is not closed then). */
bool hook_chain_add(struct hook_chain *c, const struct mdm_hook *hook);
/* After the workers have stopped and before they are freed: closes the hooks. */
void hook_chain_free(struct hook_chain **c);

/* What any of the hooks is interested in: the functions by name. */
struct hook_wants {
    bool auth_connect, auth_publish, auth_subscribe, intercept, rewrite, connect, publish, subscribe, unsubscribe, disconnect,
        auth_request;
};
const struct hook_wants *hook_chain_wants(const struct hook_chain *c);

/* -- questions: all on the owner's worker --------------------------------------------------------------------------- */

typedef void question_done_fn(void *ctx, struct mdm_question *q, bool allowed);

/* Memory for the next question, when one is done: one for each worker, zeroed at first. */
struct question_store {
    struct mdm_question *spare;
};
void question_store_done(struct question_store *s);

/*
 * What is asked about is copied but for payloads and packets. They, `hold` (the chunk they stand in; NULL: none to keep) and the session
 * are borrowed until question_ask() returns; if that says MDM_LATER, the question has references of its own. `store` NULL: none.
 * NULL without memory.
 */
struct mdm_question *question_connect(const struct hook_chain *c, struct hook_session *s, const struct mqtt_connect *p);
struct mdm_question *question_publish(const struct hook_chain *c, struct hook_session *s, struct mqtt_span topic,
                                      const struct mqtt_publish *p, bool will, struct question_store *store, struct chunk *hold);
struct mdm_question *question_subscribe(const struct hook_chain *c, struct hook_session *s, const struct mqtt_filter *f);
struct mdm_question *question_packet(const struct hook_chain *c, struct hook_session *s, enum mdm_direction direction,
                                     enum mdm_stage stage, unsigned type, struct slice packet, struct question_store *store);
/* `head`: as hook_request_create(). */
struct mdm_question *question_request(const struct hook_chain *c, const char *client, const char *service, const char *address,
                                      struct http_text head);
/* Asks the hooks. MDM_LATER: `done` follows, not from inside this call. */
enum mdm_verdict question_ask(struct mdm_question *q, struct worker *w, question_done_fn *done, void *ctx);
/* What stands there after MDM_ALLOW; valid as long as the question. */
bool question_changed(const struct mdm_question *q, enum mdm_field field);
struct mqtt_span question_field(const struct mdm_question *q, enum mdm_field field);
/* With a replaced payload or packet: a reference to it, the caller's. */
struct slice question_take(struct mdm_question *q, enum mdm_field field);
/* Why it was denied: a reason code, and words or NULL. */
unsigned question_reason(const struct mdm_question *q, const char **words);
/* The same for who asked for HTTP: the status that the hook has chosen, 0: none. */
unsigned question_status(const struct mdm_question *q, const char **words);
/* Not, or not any more, under way. */
void question_free(struct mdm_question **q);
/* Under way or not; no `done` any more. NULL in *q is allowed. */
void question_forget(struct mdm_question **q);

/* -- the other calls: on the session's worker ------------------------------------------------------------------------ */

/* The name of a topic on the other side, in `out`; 0: it stays. SIZE_MAX: a hook wants one that is not possible. */
size_t hook_chain_rewrite(const struct hook_chain *c, const struct hook_session *s, enum mdm_direction direction,
                          struct mqtt_span topic, bool filter, char out[static MQTT_FIELD_MAX + 1]);
void hook_chain_connect(const struct hook_chain *c, const struct hook_session *s);
void hook_chain_publish(const struct hook_chain *c, const struct hook_session *s, struct mqtt_span topic,
                        const struct mqtt_publish *p);
void hook_chain_subscribe(const struct hook_chain *c, const struct hook_session *s, const struct mqtt_filter *f);
void hook_chain_unsubscribe(const struct hook_chain *c, const struct hook_session *s, struct mqtt_span filter);
void hook_chain_disconnect(const struct hook_chain *c, const struct hook_session *s, const char *why);

#endif
