/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts that HTTP's grammar is made of: tokens, values, lists, numbers. */
#include <string.h>

#include "wire/http_chars.h"

/* -- classes of bytes, one row each, spelt by the compiler --------------------------------------------------------- */

#define IS_ALPHA(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define IS_ALNUM(c) (IS_ALPHA(c) || ((c) >= '0' && (c) <= '9'))
#define IS_TOKEN(c)                                                                                        \
    (IS_ALNUM(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || (c) == '\'' ||   \
     (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' || (c) == '`' ||     \
     (c) == '|' || (c) == '~')
#define IS_VALUE(c) ((c) == '\t' || ((c) >= ' ' && (c) != 0x7f))
#define IS_TARGET(c) ((c) > ' ' && (c) != 0x7f && (c) != '#')
#define IS_HOST(c) (IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_')
#define IS_SCHEME(c) (IS_ALNUM(c) || (c) == '+' || (c) == '-' || (c) == '.')

#define CLASS(c)                                                                      \
    (IS_TOKEN(c) ? HTTP_CHAR_TOKEN : 0) | (IS_VALUE(c) ? HTTP_CHAR_VALUE : 0) |       \
        (IS_TARGET(c) ? HTTP_CHAR_TARGET : 0) | (IS_HOST(c) ? HTTP_CHAR_HOST : 0) |   \
        (IS_SCHEME(c) ? HTTP_CHAR_SCHEME : 0)
#define CLASS4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
#define CLASS64(c) CLASS16(c), CLASS16((c) + 16), CLASS16((c) + 32), CLASS16((c) + 48)

const uint8_t http_chars[256] = {CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192)};

bool http_token_valid(struct http_text t)
{
    return t.len > 0 && http_text_all(t, HTTP_CHAR_TOKEN);
}

bool http_field_value_valid(struct http_text t)
{
    return http_text_all(t, HTTP_CHAR_VALUE);
}

/* -- text ---------------------------------------------------------------------------------------------------------- */

struct http_text http_text_of(const char *s)
{
    return (struct http_text){s, strlen(s)};
}

bool http_text_is(struct http_text t, const char *lower_case)
{
    for (size_t i = 0; i < t.len; i++)
        if (lower_case[i] == '\0' || http_lower(t.at[i]) != lower_case[i])
            return false;
    return lower_case[t.len] == '\0';
}

bool http_text_equal(struct http_text a, struct http_text b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (http_lower(a.at[i]) != http_lower(b.at[i]))
            return false;
    return true;
}

struct http_text http_text_trim(struct http_text t)
{
    while (t.len > 0 && http_is_blank(t.at[0]))
        t = http_text_from(t, 1);
    while (t.len > 0 && http_is_blank(t.at[t.len - 1]))
        t.len--;
    return t;
}

/* -- lists --------------------------------------------------------------------------------------------------------- */

/* Bytes up to the comma that ends the element: commas inside a quoted-string (RFC 9110 5.6.4) belong to it. */
static size_t element_span(struct http_text t)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < t.len; i++) {
        if (t.at[i] == '"')
            quoted = !quoted;
        else if (quoted && t.at[i] == '\\' && i + 1 < t.len)
            i++;
        else if (!quoted && t.at[i] == ',')
            break;
    }
    return i;
}

bool http_list_next(struct http_text *rest, struct http_text *element)
{
    while (rest->len > 0 && (rest->at[0] == ',' || http_is_blank(rest->at[0])))
        *rest = http_text_from(*rest, 1);
    if (rest->len == 0)
        return false;
    size_t span = element_span(*rest);
    *element = http_text_trim((struct http_text){rest->at, span});
    *rest = http_text_from(*rest, span);
    return true;
}

bool http_list_has(struct http_text value, const char *lower_case)
{
    struct http_text element;
    while (http_list_next(&value, &element))
        if (http_text_is(element, lower_case))
            return true;
    return false;
}

/* -- numbers ------------------------------------------------------------------------------------------------------- */

/* Takes the digits at the front of `t`; false when there are none, or the number is above HTTP_LENGTH_MAX. */
static bool decimal_shift(struct http_text *t, uint64_t *out)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < t->len && http_is_digit(t->at[i]); i++) {
        unsigned digit = (unsigned)(t->at[i] - '0');
        if (n > (HTTP_LENGTH_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (i == 0)
        return false;
    *t = http_text_from(*t, i);
    *out = n;
    return true;
}

/* Not with http_list_next(): an empty element is something that two parsers could read differently. */
bool http_content_length_parse(struct http_text value, uint64_t *out)
{
    uint64_t first, next;
    struct http_text t = http_text_trim(value);
    if (!decimal_shift(&t, &first))
        return false;
    while (t = http_text_trim(t), t.len > 0) {
        if (t.at[0] != ',')
            return false;
        t = http_text_trim(http_text_from(t, 1));
        if (!decimal_shift(&t, &next) || next != first)
            return false;
    }
    *out = first;
    return true;
}
