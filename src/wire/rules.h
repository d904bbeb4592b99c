/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for the visitors of a service, as a client says them in SERVICES: (type u8, length u16, value)* with the rows of
 * tbl/rules.h. Pure: bytes to views and back. The same checks hold for who writes them and for who reads them.
 */
#ifndef WIRE_RULES_H
#define WIRE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/error.h"
#include "wire/http.h"

struct bytes_reader;
struct bytes_writer;

enum rule_code {
#define RULE(id, code, shape, most, text) RULE_##id = (code),
#include "mdm-tunnel/tbl/rules.h"
#undef RULE
};

#define RULE_RANGE_BYTES 17
#define RULE_DIGEST_BYTES 32
#define RULE_USER_MAX 64
#define RULE_PATH_MAX 255
#define RULE_WORDS_MAX 500

struct rule {
    uint8_t code; /* enum rule_code, or one that is not known and not critical */
    const uint8_t *value;
    size_t len;
};

/* NULL, error_protocol_error (malformed, too many of one kind) or error_rule_unknown (a critical one that is not known). */
const struct error *rules_check(const uint8_t *data, size_t len);
/* The next one of bytes that rules_check() took; false at the end. */
bool rules_next(struct bytes_reader *r, struct rule *out);

/* Writes one. NULL, or (in words) why the value is none; nothing is written then. `w` fails when it is full. */
const char *rule_write(struct bytes_writer *w, enum rule_code code, const void *value, size_t len);
const char *rule_write_number(struct bytes_writer *w, enum rule_code code, uint64_t number);
const char *rule_write_port(struct bytes_writer *w, enum rule_code code, uint16_t port);
const char *rule_write_rate(struct bytes_writer *w, uint32_t per_1000_s, uint32_t burst);

/* Of values that were checked. */
uint64_t rule_number(const struct rule *r);
uint16_t rule_port(const struct rule *r);
void rule_rate(const struct rule *r, uint32_t *per_1000_s, uint32_t *burst);
struct http_field rule_field(const struct rule *r);  /* FIELD */
struct http_text rule_text(const struct rule *r);    /* NAME, HOST, PATH, DOMAIN, WORDS */
/* LOGIN: what stands before and behind the first colon. */
void rule_login(const struct rule *r, struct http_text *user, struct http_text *hash);

#endif
