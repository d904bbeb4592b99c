/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of passwords: prefixes and costs. */
#include "wire/password_hash.h"

#include <string.h>

#define ROUNDS_MAX 200000
#define BCRYPT_COST_MAX 12
#define TOO_SLOW "the hash is too costly to verify (bcrypt up to 12, SHA up to 200000 rounds, yescrypt up to 6)"
#define UNKNOWN "not a hash of bcrypt, sha256crypt, sha512crypt or yescrypt (see mkpasswd(1))"

static bool is_digit64(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '/';
}

/* Digits of crypt's base64 at the front of `t`. */
static size_t digits64(struct http_text t)
{
    size_t n = 0;
    while (n < t.len && is_digit64(t.at[n]))
        n++;
    return n;
}

static bool starts(struct http_text *t, const char *prefix)
{
    size_t len = strlen(prefix);
    if (t->len < len || memcmp(t->at, prefix, len) != 0)
        return false;
    *t = (struct http_text){t->at + len, t->len - len};
    return true;
}

/* SALT$DIGITS with `digits` of them at the end. */
static bool salt_and_digits(struct http_text t, size_t salt_max, size_t digits)
{
    size_t salt = digits64(t);
    if (salt > salt_max || salt == t.len || t.at[salt] != '$')
        return false;
    t = (struct http_text){t.at + salt + 1, t.len - salt - 1};
    return t.len == digits && digits64(t) == digits;
}

/* $2b$NN$ and 53 digits. */
static const char *bcrypt_wrong(struct http_text t)
{
    bool shaped = t.len == 56 && t.at[0] >= '0' && t.at[0] <= '9' && t.at[1] >= '0' && t.at[1] <= '9' && t.at[2] == '$' &&
                  digits64((struct http_text){t.at + 3, 53}) == 53;
    unsigned cost = shaped ? 10 * (unsigned)(t.at[0] - '0') + (unsigned)(t.at[1] - '0') : 0;
    return cost < 4 ? UNKNOWN : cost > BCRYPT_COST_MAX ? TOO_SLOW : NULL;
}

/* $6$[rounds=N$]SALT$DIGITS */
static const char *sha_wrong(struct http_text t, size_t digits)
{
    unsigned long rounds = 5000;
    if (starts(&t, "rounds=")) {
        size_t n = 0;
        for (rounds = 0; n < t.len && n < 9 && t.at[n] >= '0' && t.at[n] <= '9'; n++)
            rounds = 10 * rounds + (unsigned long)(t.at[n] - '0');
        if (n == 0 || n == t.len || t.at[n] != '$' || t.at[0] == '0')
            return UNKNOWN;
        t = (struct http_text){t.at + n + 1, t.len - n - 1};
    }
    return !salt_and_digits(t, 16, digits) ? UNKNOWN : rounds > ROUNDS_MAX ? TOO_SLOW : NULL;
}

/* $y$jNR$SALT$DIGITS; N is the logarithm of the memory in blocks of R. */
static const char *yescrypt_wrong(struct http_text t)
{
    if (t.len < 4 || t.at[0] != 'j' || (t.at[2] != '5' && t.at[2] != 'T') || t.at[3] != '$' ||
        !salt_and_digits((struct http_text){t.at + 4, t.len - 4}, 86, 43))
        return UNKNOWN;
    return strchr("789A", t.at[1]) == NULL ? TOO_SLOW : NULL;
}

const char *password_hash_wrong(struct http_text hash)
{
    if (hash.len > PASSWORD_HASH_MAX || memchr(hash.at, '\0', hash.len) != NULL)
        return UNKNOWN;
    if (starts(&hash, "$2b$") || starts(&hash, "$2y$") || starts(&hash, "$2a$"))
        return bcrypt_wrong(hash);
    if (starts(&hash, "$6$"))
        return sha_wrong(hash, 86);
    if (starts(&hash, "$5$"))
        return sha_wrong(hash, 43);
    return starts(&hash, "$y$") ? yescrypt_wrong(hash) : UNKNOWN;
}
