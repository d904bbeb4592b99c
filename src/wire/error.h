/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are const rows of one table; code, logs, pages and the manual come from the same row. */
#ifndef WIRE_ERROR_H
#define WIRE_ERROR_H

#include <stdint.h>

#include "base/log.h"

enum error_scope { ERROR_SCOPE_STREAM, ERROR_SCOPE_SESSION, ERROR_SCOPE_PROCESS };

struct error {
    const char *name; /* "client-offline" */
    uint16_t code;    /* on the wire */
    enum error_scope scope;
    unsigned http_status;
    enum log_level level;
    const char *text;
};

/* error_client_offline and so on: one constant a row. Compare by address. */
#define ERROR(id, code, scope, status, level, text) extern const struct error error_##id;
#include "mdm-tunnel/tbl/errors.h"
#undef ERROR

/* The row of a code from the wire; error_protocol_error for a code that has none. */
const struct error *error_by_code(uint16_t code);
/* Row number `i`, NULL after the last: for tests and manuals. */
const struct error *error_row(unsigned i);

#endif
