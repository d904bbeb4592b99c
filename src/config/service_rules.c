/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of a service out of JSON. */
#include "config/service_rules.h"

#include <cjson/cJSON.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/cidr.h"
#include "config/json.h"
#include "config/number.h"
#include "wire/domain.h"
#include "wire/rules.h"

#define TOKEN_BYTES_MIN 8
#define LIST_MAX 64
#define DOMAINS_OF_SERVICE_MAX 16

/* What rule_write() thinks of a value. */
static int answer(struct service_draft *d, const char *why) { return why == NULL ? 0 : draft_error(d, why); }

/* One value, or a list of them. */
static int each(struct service_draft *d, const cJSON *value, unsigned most,
                int (*read)(struct service_draft *d, const cJSON *one, enum rule_code code), enum rule_code code)
{
    if (!cJSON_IsArray(value))
        return read(d, value, code);
    if (cJSON_GetArraySize(value) > (int)most)
        return draft_error(d, "too many");
    unsigned i = 0;
    for (const cJSON *m = value->child; m != NULL; m = m->next, i++) {
        size_t mark = draft_enter(d, NULL, i);
        if (read(d, m, code) != 0)
            return -1;
        draft_leave(d, mark);
    }
    return 0;
}

/* A whole number min..max; -1 with the error set. */
static int number_read(struct service_draft *d, const cJSON *value, unsigned min, unsigned max, unsigned *out)
{
    struct config_error reason;
    char text[JSON_NUMBER_TEXT];
    if (!cJSON_IsNumber(value))
        return draft_error(d, "not a number");
    json_number_text(value, text);
    return number_parse(text, min, max, out, &reason) == 0 ? 0 : draft_error(d, reason.text);
}

/* Runs `read` for the member, if it is there. */
static int member(struct service_draft *d, const cJSON *object, const char *name, void *ctx,
                  int (*read)(struct service_draft *d, const cJSON *value, void *ctx))
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    if (value == NULL)
        return 0;
    size_t mark = draft_enter(d, name, 0);
    if (read(d, value, ctx) != 0)
        return -1;
    draft_leave(d, mark);
    return 0;
}

/* Whether all members are among `names` (ends with NULL). */
static int members_are(struct service_draft *d, const cJSON *object, const char *const names[])
{
    for (const cJSON *m = object->child; m != NULL; m = m->next) {
        unsigned i = 0;
        while (names[i] != NULL && strcmp(names[i], m->string) != 0)
            i++;
        if (names[i] == NULL) {
            draft_enter(d, m->string, 0);
            return draft_error(d, "unknown key");
        }
    }
    return 0;
}

/* -- where --------------------------------------------------------------------------------------------------------- */

static int prefix_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    bool *said = ctx;
    if (!cJSON_IsString(value))
        return draft_error(d, "not the beginning of a path");
    size_t len = strlen(value->valuestring);
    while (len > 1 && value->valuestring[len - 1] == '/')
        len--;
    *said = true;
    return answer(d, rule_write(&d->rules, RULE_path, value->valuestring, len));
}

static int strip_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    (void)ctx;
    if (!cJSON_IsBool(value))
        return draft_error(d, "neither true nor false");
    return cJSON_IsTrue(value) ? answer(d, rule_write_number(&d->rules, RULE_strip_path, 1)) : 0;
}

int rule_read_path(struct service_draft *d, const cJSON *value)
{
    static const char *const names[] = {"prefix", "strip", NULL};
    bool said = false;
    if (cJSON_IsString(value))
        return prefix_read(d, value, &said);
    if (!cJSON_IsObject(value) || members_are(d, value, names) != 0 || member(d, value, "prefix", &said, prefix_read) != 0)
        return -1;
    return said ? member(d, value, "strip", NULL, strip_read) : draft_error(d, "\"prefix\" is missing");
}

static int domain_read(struct service_draft *d, const cJSON *value, enum rule_code code)
{
    char name[DOMAIN_TEXT_MAX + 1];
    if (!cJSON_IsString(value))
        return -1;
    if (!domain_lower(http_text_of(value->valuestring), name))
        return draft_error(d, "too long");
    return answer(d, rule_write(&d->rules, code, name, strlen(name)));
}

int rule_read_domains(struct service_draft *d, const cJSON *value)
{
    if (d->out->kind == SERVICE_TCP)
        return draft_error(d, "a service of kind tcp is reached at a port, not by a name");
    return each(d, value, DOMAINS_OF_SERVICE_MAX, domain_read, RULE_domain);
}

int rule_read_maintenance(struct service_draft *d, const cJSON *value)
{
    if (cJSON_IsFalse(value))
        return 0;
    if (!cJSON_IsTrue(value) && !cJSON_IsString(value))
        return -1;
    const char *words = cJSON_IsTrue(value) ? "" : value->valuestring;
    return answer(d, rule_write(&d->rules, RULE_maintenance, words, strlen(words)));
}

/* -- who ----------------------------------------------------------------------------------------------------------- */

int rule_read_auth(struct service_draft *d, const cJSON *value)
{
    char login[RULE_USER_MAX + 1 + 256 + 1];
    if (!cJSON_IsObject(value) || value->child == NULL)
        return -1;
    if (cJSON_GetArraySize(value) > LIST_MAX)
        return draft_error(d, "too many users (64 are possible)");
    d->out->secret = true;
    for (const cJSON *m = value->child; m != NULL; m = m->next) {
        size_t mark = draft_enter(d, m->string, 0);
        if (!cJSON_IsString(m) || strchr(m->string, ':') != NULL)
            return draft_error(d, cJSON_IsString(m) ? "a user's name has no colon" : "not the hash of a password");
        int len = snprintf(login, sizeof(login), "%s:%s", m->string, m->valuestring);
        if (len >= (int)sizeof(login))
            return draft_error(d, "too long");
        if (answer(d, rule_write(&d->rules, RULE_auth, login, (size_t)len)) != 0)
            return -1;
        draft_leave(d, mark);
    }
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool hex_parse(const char *text, uint8_t out[static RULE_DIGEST_BYTES])
{
    if (strlen(text) != 2 * RULE_DIGEST_BYTES)
        return false;
    for (size_t i = 0; i < RULE_DIGEST_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

static bool is_token(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len >= TOKEN_BYTES_MIN;
}

static int bearer_read(struct service_draft *d, const cJSON *value, enum rule_code code)
{
    static const char prefix[] = "sha256:";
    uint8_t digest[RULE_DIGEST_BYTES];
    if (!cJSON_IsString(value))
        return -1;
    const char *text = value->valuestring;
    if (strncmp(text, prefix, strlen(prefix)) == 0) {
        if (!hex_parse(text + strlen(prefix), digest))
            return draft_error(d, "not 64 hexadecimal digits behind \"sha256:\"");
    } else {
        if (!is_token(text))
            return draft_error(d, "not a token of at least 8 bytes of visible ASCII");
        SHA256((const unsigned char *)text, strlen(text), digest);
    }
    return answer(d, rule_write(&d->rules, code, digest, sizeof(digest)));
}

int rule_read_bearer(struct service_draft *d, const cJSON *value)
{
    d->out->secret = true;
    return each(d, value, LIST_MAX, bearer_read, RULE_bearer);
}

static int range_read(struct service_draft *d, const cJSON *value, enum rule_code code)
{
    uint8_t bytes[RULE_RANGE_BYTES];
    struct cidr range;
    if (!cJSON_IsString(value))
        return -1;
    if (!cidr_parse(value->valuestring, strlen(value->valuestring), &range))
        return draft_error(d, "not an address or ADDRESS/BITS");
    memcpy(bytes, range.address, CIDR_ADDRESS_BYTES);
    bytes[RULE_RANGE_BYTES - 1] = (uint8_t)range.bits;
    return answer(d, rule_write(&d->rules, code, bytes, sizeof(bytes)));
}

int rule_read_allow(struct service_draft *d, const cJSON *value)
{
    if (cJSON_IsArray(value) && value->child == NULL)
        return draft_error(d, "an empty list would let nobody in");
    return each(d, value, LIST_MAX, range_read, RULE_allow);
}

int rule_read_deny(struct service_draft *d, const cJSON *value) { return each(d, value, LIST_MAX, range_read, RULE_deny); }

/* -- how much ------------------------------------------------------------------------------------------------------ */

struct rate {
    uint64_t per_1000_s;
    unsigned burst;
};

static int requests_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    struct rate *rate = ctx;
    struct config_error reason;
    char text[JSON_NUMBER_TEXT];
    uint64_t us = 0;
    if (!cJSON_IsNumber(value))
        return draft_error(d, "not a number");
    json_number_text(value, text);
    if (seconds_parse(text, 0, RATE_MAX, &us, &reason) != 0)
        return draft_error(d, reason.text);
    rate->per_1000_s = us / 1000; /* a number of up to six decimals is all that the function knows */
    return rate->per_1000_s > 0 ? 0 : draft_error(d, "less than one in 1000 s");
}

static int burst_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    return number_read(d, value, 1, RATE_BURST_MAX, &((struct rate *)ctx)->burst);
}

int rule_read_rate(struct service_draft *d, const cJSON *value)
{
    static const char *const names[] = {"requests", "burst", NULL};
    struct rate rate = {0, 0};
    if (cJSON_IsNumber(value)) {
        if (requests_read(d, value, &rate) != 0)
            return -1;
    } else if (!cJSON_IsObject(value)) {
        return -1;
    } else if (members_are(d, value, names) != 0 || member(d, value, "requests", &rate, requests_read) != 0 ||
               member(d, value, "burst", &rate, burst_read) != 0) {
        return -1;
    }
    if (rate.per_1000_s == 0)
        return draft_error(d, "\"requests\" is missing");
    if (rate.burst == 0)
        rate.burst = rate.per_1000_s / 500 > RATE_BURST_LEAST ? (unsigned)(rate.per_1000_s / 500) : RATE_BURST_LEAST;
    return answer(d, rule_write_rate(&d->rules, (uint32_t)rate.per_1000_s, rate.burst < RATE_BURST_MAX ? rate.burst : RATE_BURST_MAX));
}

int rule_read_max_streams(struct service_draft *d, const cJSON *value)
{
    unsigned number;
    if (number_read(d, value, 1, STREAMS_PER_SESSION_MAX, &number) != 0)
        return -1;
    return answer(d, rule_write_number(&d->rules, RULE_max_streams, number));
}

static int bandwidth_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    const enum rule_code *code = ctx;
    unsigned number;
    if (number_read(d, value, 1024, UINT32_MAX, &number) != 0)
        return -1;
    return answer(d, rule_write_number(&d->rules, *code, number));
}

int rule_read_bandwidth(struct service_draft *d, const cJSON *value)
{
    static const char *const names[] = {"up", "down", NULL};
    enum rule_code up = RULE_bandwidth_up, down = RULE_bandwidth_down;
    if (cJSON_IsNumber(value))
        return bandwidth_read(d, value, &up) == 0 ? bandwidth_read(d, value, &down) : -1;
    if (!cJSON_IsObject(value) || members_are(d, value, names) != 0)
        return -1;
    return member(d, value, "up", &up, bandwidth_read) == 0 ? member(d, value, "down", &down, bandwidth_read) : -1;
}

/* -- what ---------------------------------------------------------------------------------------------------------- */

struct header_codes {
    enum rule_code set, remove;
};

static int set_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    const struct header_codes *codes = ctx;
    char line[HTTP_REQUEST_HEAD_MAX / 4];
    if (!cJSON_IsObject(value))
        return draft_error(d, "expected {\"NAME\": \"VALUE\", ...}");
    for (const cJSON *m = value->child; m != NULL; m = m->next) {
        size_t mark = draft_enter(d, m->string, 0);
        int len = cJSON_IsString(m) ? snprintf(line, sizeof(line), "%s: %s", m->string, m->valuestring) : 0;
        if (len <= 0 || len >= (int)sizeof(line) || strchr(m->string, ':') != NULL)
            return draft_error(d, "not a field: \"NAME\": \"VALUE\"");
        if (answer(d, rule_write(&d->rules, codes->set, line, (size_t)len)) != 0)
            return -1;
        draft_leave(d, mark);
    }
    return 0;
}

static int name_read(struct service_draft *d, const cJSON *value, enum rule_code code)
{
    if (!cJSON_IsString(value))
        return draft_error(d, "not the name of a field");
    return answer(d, rule_write(&d->rules, code, value->valuestring, strlen(value->valuestring)));
}

static int remove_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    return each(d, value, LIST_MAX / 2, name_read, ((const struct header_codes *)ctx)->remove);
}

static int direction_read(struct service_draft *d, const cJSON *value, void *ctx)
{
    static const char *const names[] = {"set", "remove", NULL};
    if (!cJSON_IsObject(value))
        return draft_error(d, "expected {\"set\": {...}, \"remove\": [...]}");
    if (members_are(d, value, names) != 0)
        return -1;
    const cJSON *set = cJSON_GetObjectItemCaseSensitive(value, "set");
    if (set != NULL && cJSON_GetArraySize(set) > LIST_MAX / 2)
        return draft_error(d, "too many fields (32 are possible)");
    return member(d, value, "set", ctx, set_read) == 0 ? member(d, value, "remove", ctx, remove_read) : -1;
}

int rule_read_headers(struct service_draft *d, const cJSON *value)
{
    static const char *const names[] = {"request", "response", NULL};
    struct header_codes request = {RULE_request_set, RULE_request_remove};
    struct header_codes response = {RULE_response_set, RULE_response_remove};
    if (!cJSON_IsObject(value) || members_are(d, value, names) != 0)
        return -1;
    return member(d, value, "request", &request, direction_read) == 0
               ? member(d, value, "response", &response, direction_read)
               : -1;
}

int rule_read_host_header(struct service_draft *d, const cJSON *value)
{
    char host[300];
    if (!cJSON_IsString(value))
        return -1;
    snprintf(host, sizeof(host), "%s", value->valuestring);
    if (strcmp(host, "target") == 0) {
        if (d->out->target.kind != TARGET_TCP)
            return draft_error(d, "the target has no host");
        target_text(&d->out->target, host, sizeof(host));
    }
    return answer(d, rule_write(&d->rules, RULE_host_header, host, strlen(host)));
}
