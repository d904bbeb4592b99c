/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: the shapes of their values. */
#include "wire/rules.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/domain.h"
#include "wire/password_hash.h"

#define RULE_CRITICAL 0x80

enum rule_shape { SHAPE_LOGIN, SHAPE_DIGEST, SHAPE_RANGE, SHAPE_RATE, SHAPE_NUMBER, SHAPE_PORT, SHAPE_FIELD, SHAPE_NAME, SHAPE_HOST, SHAPE_PATH, SHAPE_DOMAIN, SHAPE_WORDS };

static const struct row {
    uint8_t code;
    enum rule_shape shape;
    unsigned most;
} rows[] = {
#define RULE(id, number, form, count, text) {.code = (number), .shape = SHAPE_##form, .most = (count)},
#include "mdm-tunnel/tbl/rules.h"
#undef RULE
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_find(uint8_t code)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

/* -- values -------------------------------------------------------------------------------------------------------- */

static struct http_text text_of(const void *value, size_t len) { return (struct http_text){value, len}; }

/* Fields that say where a message ends, where it goes or what becomes of the connection are not for rules. */
static const char *name_wrong(struct http_text name)
{
    static const char *const never[] = {"content-length", "host", "trailer", "expect", "x-mdm-tunnel-error"};
    static const char websocket[] = "sec-websocket-";
    struct http_text start = {name.at, sizeof(websocket) - 1};

    if (!http_token_valid(name))
        return "not the name of a field";
    bool own = http_field_hop_by_hop(name) || (name.len >= start.len && http_text_is(start, websocket));
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        own |= http_text_is(name, never[i]);
    return own ? "this field is not to be changed" : NULL;
}

static bool field_split(struct http_text text, struct http_field *out)
{
    const char *colon = text.len == 0 ? NULL : memchr(text.at, ':', text.len);
    if (colon == NULL)
        return false;
    out->name = (struct http_text){text.at, (size_t)(colon - text.at)};
    out->value = http_text_trim((struct http_text){colon + 1, text.len - out->name.len - 1});
    return true;
}

static const char *field_wrong(struct http_text text)
{
    struct http_field f;
    if (!field_split(text, &f))
        return "not a field";
    const char *why = name_wrong(f.name);
    return why != NULL ? why : f.value.len > 0 && http_field_value_valid(f.value) ? NULL : "not the value of a field";
}

static const char *login_wrong(struct http_text text)
{
    struct http_text user, hash;
    const char *colon = text.len == 0 ? NULL : memchr(text.at, ':', text.len);
    if (colon == NULL)
        return "not a user and a hash";
    user = (struct http_text){text.at, (size_t)(colon - text.at)};
    hash = (struct http_text){colon + 1, text.len - user.len - 1};
    if (user.len == 0 || user.len > RULE_USER_MAX || !http_field_value_valid(user) || memchr(user.at, '\t', user.len) != NULL)
        return "not the name of a user (1 to 64 bytes, no colon)";
    return password_hash_wrong(hash);
}

static const char *rate_wrong(const uint8_t *value, size_t len)
{
    struct bytes_reader r;
    bytes_reader_init(&r, value, len);
    uint32_t rate = bytes_read_u32(&r), burst = bytes_read_u32(&r);
    return r.failed || bytes_left(&r) > 0 || rate == 0 || burst == 0 || burst > RATE_BURST_MAX ? "not a rate" : NULL;
}

static uint64_t number_read(const uint8_t *value, size_t len)
{
    struct bytes_reader r;
    bytes_reader_init(&r, value, len);
    return bytes_read_u64(&r);
}

/* Whole segments, as they stand in a request: nothing is decoded or resolved on either side. */
static const char *path_wrong(struct http_text path)
{
    bool visible = path.len > 0 && path.len <= RULE_PATH_MAX && path.at[0] == '/';
    for (size_t i = 0; i < path.len; i++)
        visible &= path.at[i] > ' ' && path.at[i] <= '~' && path.at[i] != '?' && path.at[i] != '#';
    if (!visible)
        return "not the beginning of a path (\"/\" and up to 254 bytes of visible ASCII without \"?\" and \"#\")";
    return path.len > 1 && path.at[path.len - 1] == '/' ? "ends with \"/\"" : NULL;
}

/* One line; whoever shows it escapes it. */
static const char *words_wrong(struct http_text words)
{
    if (words.len > RULE_WORDS_MAX)
        return "longer than 500 bytes";
    for (size_t i = 0; i < words.len; i++)
        if ((unsigned char)words.at[i] < ' ' || words.at[i] == 0x7f)
            return "has control characters";
    return NULL;
}

static const char *value_wrong(enum rule_shape shape, const uint8_t *value, size_t len)
{
    struct http_authority authority;
    switch (shape) {
    case SHAPE_LOGIN:
        return login_wrong(text_of(value, len));
    case SHAPE_DIGEST:
        return len == RULE_DIGEST_BYTES ? NULL : "not a digest";
    case SHAPE_RANGE:
        return len == RULE_RANGE_BYTES && value[RULE_RANGE_BYTES - 1] <= 128 ? NULL : "not a range";
    case SHAPE_RATE:
        return rate_wrong(value, len);
    case SHAPE_NUMBER:
        return len == 8 && number_read(value, len) > 0 ? NULL : "not a number above 0";
    case SHAPE_PORT:
        return len == 2 ? NULL : "not a port";
    case SHAPE_FIELD:
        return field_wrong(text_of(value, len));
    case SHAPE_NAME:
        return name_wrong(text_of(value, len));
    case SHAPE_WORDS:
        return words_wrong(text_of(value, len));
    case SHAPE_DOMAIN:
        return domain_pattern_valid(text_of(value, len)) ? NULL : "not a host name, or \"*.\" and one";
    case SHAPE_PATH:
        return path_wrong(text_of(value, len));
    case SHAPE_HOST:
        return len < 256 && http_authority_parse(text_of(value, len), &authority) ? NULL : "not a host";
    }
    return "not known";
}

/* -- reading ------------------------------------------------------------------------------------------------------- */

bool rules_next(struct bytes_reader *r, struct rule *out)
{
    if (r->failed || bytes_left(r) == 0)
        return false;
    out->code = bytes_read_u8(r);
    out->len = bytes_read_u16(r);
    out->value = bytes_read(r, out->len);
    return !r->failed;
}

const struct error *rules_check(const uint8_t *data, size_t len)
{
    unsigned counts[ROWS] = {0};
    struct bytes_reader r;
    struct rule rule;
    bool unknown = false;
    bytes_reader_init(&r, data, len);
    while (rules_next(&r, &rule)) {
        const struct row *row = row_find(rule.code);
        unknown |= row == NULL && (rule.code & RULE_CRITICAL) != 0;
        if (row != NULL && (++counts[row - rows] > row->most || value_wrong(row->shape, rule.value, rule.len) != NULL))
            return &error_protocol_error;
    }
    return r.failed ? &error_protocol_error : unknown ? &error_rule_unknown : NULL;
}

uint64_t rule_number(const struct rule *r) { return number_read(r->value, r->len); }

uint16_t rule_port(const struct rule *r)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, r->value, r->len);
    return bytes_read_u16(&reader);
}

void rule_rate(const struct rule *r, uint32_t *per_1000_s, uint32_t *burst)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, r->value, r->len);
    *per_1000_s = bytes_read_u32(&reader);
    *burst = bytes_read_u32(&reader);
}

struct http_text rule_text(const struct rule *r) { return text_of(r->value, r->len); }

struct http_field rule_field(const struct rule *r)
{
    struct http_field f = {{"", 0}, {"", 0}};
    field_split(rule_text(r), &f);
    return f;
}

void rule_login(const struct rule *r, struct http_text *user, struct http_text *hash)
{
    struct http_text text = rule_text(r);
    user->at = text.at;
    user->len = (size_t)((const char *)memchr(text.at, ':', text.len) - text.at);
    *hash = (struct http_text){text.at + user->len + 1, text.len - user->len - 1};
}

/* -- writing ------------------------------------------------------------------------------------------------------- */

const char *rule_write(struct bytes_writer *w, enum rule_code code, const void *value, size_t len)
{
    const char *why = len > UINT16_MAX ? "too long" : value_wrong(row_find((uint8_t)code)->shape, value, len);
    if (why != NULL)
        return why;
    bytes_write_u8(w, (uint8_t)code);
    bytes_write_u16(w, (uint16_t)len);
    bytes_write(w, value, len);
    return NULL;
}

const char *rule_write_number(struct bytes_writer *w, enum rule_code code, uint64_t number)
{
    struct bytes_writer value;
    uint8_t bytes[8];
    bytes_writer_init(&value, bytes, sizeof(bytes));
    bytes_write_u64(&value, number);
    return rule_write(w, code, bytes, sizeof(bytes));
}

const char *rule_write_port(struct bytes_writer *w, enum rule_code code, uint16_t port)
{
    const uint8_t bytes[] = {(uint8_t)(port >> 8), (uint8_t)port};
    return rule_write(w, code, bytes, sizeof(bytes));
}

const char *rule_write_rate(struct bytes_writer *w, uint32_t per_1000_s, uint32_t burst)
{
    struct bytes_writer value;
    uint8_t bytes[8];
    bytes_writer_init(&value, bytes, sizeof(bytes));
    bytes_write_u32(&value, per_1000_s);
    bytes_write_u32(&value, burst);
    return rule_write(w, RULE_rate, bytes, sizeof(bytes));
}
