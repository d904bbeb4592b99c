/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of tbl/errors.h as constants. */
#include "wire/error.h"

#include <stddef.h>

#define NAME_BYTES 24

/* A row's name is its id with '-' for '_', spelt byte by byte so that it is a constant like the rest. */
#define BYTE(s, i) ((i) >= sizeof(s) ? '\0' : (s)[(i) % sizeof(s)] == '_' ? '-' : (s)[(i) % sizeof(s)])
#define BYTES4(s, i) BYTE(s, i), BYTE(s, (i) + 1), BYTE(s, (i) + 2), BYTE(s, (i) + 3)
#define NAME(s) {BYTES4(s, 0), BYTES4(s, 4), BYTES4(s, 8), BYTES4(s, 12), BYTES4(s, 16), BYTES4(s, 20)}

#define ERROR(id, number, reach, status, severity, words)                               \
    _Static_assert(sizeof(#id) <= NAME_BYTES, "the name of error " #id " is too long"); \
    static const char name_##id[NAME_BYTES] = NAME(#id);                                \
    const struct error error_##id = {                                                   \
        .name = name_##id,                                                              \
        .code = (number),                                                               \
        .scope = ERROR_SCOPE_##reach,                                                   \
        .http_status = (status),                                                        \
        .level = LOG_LEVEL_##severity,                                                  \
        .text = (words),                                                                \
    };
#include "mdm-tunnel/tbl/errors.h"
#undef ERROR

static const struct error *const rows[] = {
#define ERROR(id, code, scope, status, level, text) &error_##id,
#include "mdm-tunnel/tbl/errors.h"
#undef ERROR
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct error *error_by_code(uint16_t code)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i]->code == code)
            return rows[i];
    return &error_protocol_error;
}

const struct error *error_row(unsigned i)
{
    return i < ROWS ? rows[i] : NULL;
}
