/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HTTP callback answers to a question about an MQTT client, in JSON (mdm-tunnel-proxy(8)):
 *
 *     {"allow": true, "client_id": "...", "username": "..." or null, "password": BASE64 or null, "topic": "...",
 *      "payload": BASE64, "qos": 0}
 *     {"allow": false, "reason": 135, "words": "..."}
 *
 * Only "allow" has to be there. A key that is not known is an error: it may be one that was to change something. Pure.
 */
#ifndef CONFIG_HOOK_ANSWER_H
#define CONFIG_HOOK_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"

struct hook_answer_text {
    bool given;
    char *at;   /* heap; NULL with `given`: null */
    size_t len;
};

struct hook_answer {
    bool allow;
    unsigned reason; /* 128..255; 0: none is said */
    char *words;     /* NULL: none */
    struct hook_answer_text client_id, username, password, topic, payload; /* the bytes, no longer base64 */
    bool has_qos;
    uint8_t qos;
};

/* 0, or -1 and *err ("answer: reason: 7 is not 128 to 255"); *out is untouched then. */
int hook_answer_parse(const char *text, size_t len, struct hook_answer *out, struct config_error *err);
/* Does it say more than yes or no? */
bool hook_answer_changes(const struct hook_answer *a);
void hook_answer_done(struct hook_answer *a);

#endif
