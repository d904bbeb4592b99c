/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hooks know of a client, reference-counted: a question that is answered late keeps it. Written by its owner's worker
 * while no question is under way; read by any thread.
 */
#ifndef HOOK_SESSION_H
#define HOOK_SESSION_H

#include "mdm-tunnel/hook.h"
#include "mqtt/text.h"
#include "tls/sock.h"

struct hook_session;

/* Copies the texts; `request`: the request of its WebSocket (heap, taken over also on failure) or NULL. NULL without memory. */
struct hook_session *hook_session_create(const struct mdm_session *facts, char *request, size_t request_len);
/* The same for who is at the other end of `s`, with the certificate that it has shown. */
struct hook_session *hook_session_of(const struct sock *s, const char *address, const char *listener, char *request, size_t request_len);
struct hook_session *hook_session_ref(struct hook_session *s);
void hook_session_unref(struct hook_session *s); /* NULL is allowed */
const struct mdm_session *hook_session_facts(const struct hook_session *s);
/* What a hook or the broker made of it. False: no memory, nothing has changed. `username` .data NULL: none. */
bool hook_session_set_client_id(struct hook_session *s, struct mqtt_span id);
void hook_session_set_version(struct hook_session *s, unsigned version);
bool hook_session_set_username(struct hook_session *s, struct mqtt_span username);

#endif
