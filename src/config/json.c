/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of configuration files in JSON. */
#include "config/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"

/* -- files --------------------------------------------------------------------------------------------------------- */

/* Up to `size` bytes until the end of the file; -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, buffer + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static char *load_open_file(int fd, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    char *text = malloc(CONFIG_FILE_MAX + 1);
    if (text == NULL)
        return NULL;
    ssize_t n = read_all(fd, text, CONFIG_FILE_MAX + 1);
    if (n < 0 || n > (ssize_t)CONFIG_FILE_MAX) {
        int error = n < 0 ? errno : EFBIG;
        free(text);
        errno = error;
        return NULL;
    }
    text[n] = '\0';
    *len = (size_t)n;
    char *fitting = realloc(text, (size_t)n + 1);
    return fitting != NULL ? fitting : text;
}

char *json_load_text(const char *path, size_t *len, struct config_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? load_open_file(fd, len) : NULL;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (text == NULL)
        config_error_set(err, "%s: %s", path, strerror(error));
    errno = error;
    return text;
}

/* -- what the parser lets pass ------------------------------------------------------------------------------------- */

static void error_at(struct config_error *err, const char *file, const char *text, size_t offset, const char *what)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    config_error_set(err, "%s: line %u, column %u: %s", file, line, column, what);
}

/* What is wrong at text[i], NULL: nothing. Keeps track of strings and depth. */
static const char *scan_byte(const char *text, size_t len, size_t i, bool *in_string, bool *escaped, unsigned *depth)
{
    char c = text[i];
    if (c == '\0')
        return "NUL byte";
    if (*in_string) {
        if ((unsigned char)c < 0x20)
            return "control character in a string";
        if (*escaped && c == 'u' && len - i > 4 && memcmp(text + i + 1, "0000", 4) == 0)
            return "NUL character in a string";
        *in_string = *escaped || c != '"';
        *escaped = !*escaped && c == '\\';
        return NULL;
    }
    *in_string = c == '"';
    if ((c == '{' || c == '[') && ++*depth > CONFIG_DEPTH_MAX)
        return "nested too deep";
    if ((c == '}' || c == ']') && *depth > 0)
        --*depth;
    return NULL;
}

static bool scan(const char *text, size_t len, const char *file, struct config_error *err)
{
    bool in_string = false, escaped = false;
    unsigned depth = 0;
    for (size_t i = 0; i < len; i++) {
        const char *wrong = scan_byte(text, len, i, &in_string, &escaped, &depth);
        if (wrong != NULL) {
            error_at(err, file, text, i, wrong);
            return false;
        }
    }
    return true;
}

/* Where a key stands twice in `object`; NULL: nowhere. */
static const cJSON *find_duplicate(const cJSON *object)
{
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        for (const cJSON *later = m->next; later != NULL; later = later->next)
            if (strcmp(m->string, later->string) == 0)
                return m;
    return NULL;
}

/* Checks `value` and what is in it; `path` is how to get there ("" at the top). The depth is bounded by scan(). */
static bool members_check(const cJSON *value, const char *file, const char *path, unsigned max,
                          struct config_error *err)
{
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return true;
    const char *colon = path[0] != '\0' ? ": " : "";
    if (cJSON_GetArraySize(value) > (int)max) {
        config_error_set(err, "%s: %s%smore than %u members", file, path, colon, max);
        return false;
    }
    const cJSON *twice = cJSON_IsObject(value) ? find_duplicate(value) : NULL;
    if (twice != NULL) {
        config_error_set(err, "%s: %s%skey \"%.64s\" stands twice", file, path, colon, twice->string);
        return false;
    }
    unsigned i = 0;
    for (const cJSON *m = value->child; m != NULL; m = m->next, i++) {
        char inner[256];
        if (m->string != NULL)
            snprintf(inner, sizeof(inner), "%.100s%s%.64s", path, path[0] != '\0' ? "." : "", m->string);
        else
            snprintf(inner, sizeof(inner), "%.100s[%u]", path, i);
        if (!members_check(m, file, inner, max, err))
            return false;
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

cJSON *json_parse(const char *text, size_t len, const char *file, unsigned members_max, struct config_error *err)
{
    if (len > CONFIG_FILE_MAX) {
        config_error_set(err, "%s: %s", file, strerror(EFBIG));
        return NULL;
    }
    if (!scan(text, len, file, err))
        return NULL;
    const char *end = text;
    cJSON *root = cJSON_ParseWithLengthOpts(text, len, &end, false);
    size_t at = (size_t)(end - text);
    if (root != NULL)
        while (at < len && is_space(text[at]))
            at++;
    if (root == NULL || at < len)
        error_at(err, file, text, at < len ? at : len, "not valid JSON");
    else if (!cJSON_IsObject(root))
        config_error_set(err, "%s: not a JSON object", file);
    else if (members_check(root, file, "", members_max, err))
        return root;
    cJSON_Delete(root);
    return NULL;
}

void json_number_text(const cJSON *number, char out[static JSON_NUMBER_TEXT])
{
    double v = number->valuedouble;
    bool whole = fabs(v) < 1e15 && v == (double)(long long)v;
    snprintf(out, JSON_NUMBER_TEXT, whole ? "%.0f" : "%.15g", v);
}
