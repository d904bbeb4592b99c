/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be different when a request is sent again, as the inspector's interface is told in JSON (mdm-tunnel-client(1)):
 *
 *     {"method": "PUT", "path": "/x?y", "headers": [["Name", "value"], ...], "body": "text" or "body_base64": "..."}
 *
 * Everything may be missing: it is as it was then. `headers` are all that there will be. Pure.
 */
#ifndef CONFIG_REQUEST_EDIT_H
#define CONFIG_REQUEST_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"

struct request_edit_field {
    char *name, *value;
};

struct request_edit {
    char *method, *path; /* NULL: as it was */
    bool has_fields, has_body;
    struct request_edit_field *fields;
    size_t field_count;
    uint8_t *body;
    size_t body_len;
};

/* 0, or -1 and *err ("headers[2]: not a pair of texts"); *out is untouched then. No text at all is a request without changes. */
int request_edit_parse(const char *text, size_t len, struct request_edit *out, struct config_error *err);
void request_edit_done(struct request_edit *e);

#endif
