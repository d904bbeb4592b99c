/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of pre-shared keys. */
#include "config/psk_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/label.h"
#include "config/authorized_clients.h"
#include "config/words.h"
#include "mdm-tunnel/limits.h"

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool key_parse(const struct word *w, struct psk *out)
{
    if (w->len % 2 != 0 || w->len < 2 * PSK_BYTES_MIN || w->len > 2 * PSK_BYTES_MAX)
        return false;
    for (size_t i = 0; i < w->len; i += 2) {
        int high = digit(w->text[i]), low = digit(w->text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    out->len = w->len / 2;
    return true;
}

static int line_parse(const struct words *w, struct psk *out, struct config_error *err)
{
    const struct word *pattern = &w->word[w->count > 2 ? 2 : 0];
    if (w->count < 2 || w->count > 3 || w->too_many)
        return config_error_set(err, "line %u: not NAME KEY [PATTERN]", w->line);
    if (!label_normalise(w->word[0].text, w->word[0].len, out->name))
        return config_error_set(err, "line %u: the name is not 1 to 63 letters, digits and hyphens", w->line);
    if (!key_parse(&w->word[1], out))
        return config_error_set(err, "line %u: the key is not %d to %d hexadecimal digits", w->line, 2 * PSK_BYTES_MIN,
                                2 * PSK_BYTES_MAX);
    if (!authorized_pattern(pattern->text, pattern->len, out->pattern))
        return config_error_set(err, "line %u: the pattern is not a client id or one with '*'", w->line);
    return 0;
}

static int by_name(const void *one, const void *two)
{
    return strcmp(((const struct psk *)one)->name, ((const struct psk *)two)->name);
}

/* A copy of the array is looked at in order, since the lines' own order says which pattern comes first. */
static bool names_differ(const struct psk *psks, size_t count)
{
    struct psk *sorted = calloc(count, sizeof(*psks));
    if (sorted == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        memcpy(sorted[i].name, psks[i].name, sizeof(sorted[i].name));
    qsort(sorted, count, sizeof(*sorted), by_name);
    bool differ = true;
    for (size_t i = 1; i < count; i++)
        differ &= by_name(&sorted[i - 1], &sorted[i]) != 0;
    free(sorted);
    return differ;
}

static size_t lines_count(const char *text)
{
    size_t count = 1;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count < PSKS_MAX ? count : PSKS_MAX;
}

/* Into `list`, which holds `max`. */
static int lines_parse(const char *text, struct psk *list, size_t max, size_t *count, struct config_error *err)
{
    struct words w;
    words_init(&w, text);
    while (words_next(&w)) {
        if (w.count == 0)
            continue;
        if (*count == max)
            return config_error_set(err, "line %u: too many keys", w.line);
        if (line_parse(&w, &list[*count], err) != 0)
            return -1;
        ++*count;
    }
    if (*count == 0)
        return config_error_set(err, "there is no key");
    return names_differ(list, *count) ? 0 : config_error_set(err, "a name is given twice");
}

int psks_parse(const char *text, struct psk **out, size_t *count, struct config_error *err)
{
    size_t max = lines_count(text), found = 0;
    struct psk *list = calloc(max, sizeof(*list));
    if (list == NULL)
        return config_error_set(err, "out of memory");
    if (lines_parse(text, list, max, &found, err) != 0) {
        psks_free(list, max);
        return -1;
    }
    *out = list;
    *count = found;
    return 0;
}

void psks_free(struct psk *psks, size_t count)
{
    if (psks != NULL)
        explicit_bzero(psks, count * sizeof(*psks));
    free(psks);
}
