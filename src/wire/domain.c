/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of host names, label by label. */
#include "wire/domain.h"

#include <string.h>

#include "base/label.h"
#include "wire/http_chars.h"

static bool is_wildcard(struct http_text pattern) { return pattern.len > 2 && memcmp(pattern.at, "*.", 2) == 0; }

static bool label_valid(struct http_text label, bool *number)
{
    *number = true;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.at[i];
        bool digit = c >= '0' && c <= '9';
        *number &= digit;
        if (!digit && !(c >= 'a' && c <= 'z') && (c != '-' || i == 0 || i + 1 == label.len))
            return false;
    }
    return label.len > 0 && label.len <= LABEL_BYTES;
}

bool domain_pattern_valid(struct http_text pattern)
{
    unsigned labels = 0;
    bool number = true;

    if (pattern.len > DOMAIN_TEXT_MAX)
        return false;
    if (is_wildcard(pattern))
        pattern = http_text_from(pattern, 2);
    for (;; labels++) {
        const char *dot = pattern.len == 0 ? NULL : memchr(pattern.at, '.', pattern.len);
        struct http_text label = {pattern.at, dot == NULL ? pattern.len : (size_t)(dot - pattern.at)};
        if (!label_valid(label, &number))
            return false;
        if (dot == NULL)
            return labels > 0 && !number;
        pattern = http_text_from(pattern, label.len + 1);
    }
}

static bool same(struct http_text a, struct http_text b) { return a.len == b.len && memcmp(a.at, b.at, a.len) == 0; }

enum domain_match domain_match(struct http_text pattern, struct http_text host)
{
    if (same(pattern, host))
        return DOMAIN_EXACT;
    const char *dot = host.len == 0 ? NULL : memchr(host.at, '.', host.len);
    if (!is_wildcard(pattern) || dot == NULL || dot == host.at)
        return DOMAIN_NOT;
    return same(http_text_from(pattern, 1), http_text_from(host, (size_t)(dot - host.at))) ? DOMAIN_WILDCARD : DOMAIN_NOT;
}

bool domain_is_below(struct http_text name, struct http_text domain)
{
    if (name.len < domain.len || memcmp(name.at + name.len - domain.len, domain.at, domain.len) != 0)
        return false;
    return name.len == domain.len || name.at[name.len - domain.len - 1] == '.';
}

bool domain_lower(struct http_text host, char out[static DOMAIN_TEXT_MAX + 1])
{
    if (host.len > DOMAIN_TEXT_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++)
        out[i] = host.at[i] >= 'A' && host.at[i] <= 'Z' ? (char)(host.at[i] | 0x20) : host.at[i];
    out[host.len] = '\0';
    return true;
}
