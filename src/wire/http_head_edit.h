/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's head as http_request_write() wrote it (lines end with CRLF, one space behind the colon): looked at, and
 * written again with other fields. Pure.
 */
#ifndef WIRE_HTTP_HEAD_EDIT_H
#define WIRE_HTTP_HEAD_EDIT_H

#include "wire/http.h"

struct bytes_writer;

struct http_edit {
    const struct http_field *set; /* stand at the end, instead of what there is of the same name */
    size_t set_count;
    const struct http_text *remove;
    size_t remove_count;
    size_t strip;          /* so many bytes go from the front of the target's path */
    struct http_text host; /* instead of the Host's value; empty: it stays */
};

/* Whether a field of this name goes: it is to be removed, or another is set in its place. */
bool http_edit_drops(const struct http_edit *e, struct http_text name);

/* How many fields are called so; *value gets the last one's. */
unsigned http_head_find(struct http_text head, const char *lower_case, struct http_text *value);
/* `w` fails when it does not fit. */
void http_head_edit(struct bytes_writer *w, struct http_text head, const struct http_edit *e);

/*
 * "Basic BASE64" (RFC 7617) into `out`, user and password with a NUL behind each. False: it is something else, not valid,
 * has NULs or is longer than `size`.
 */
bool http_basic_parse(struct http_text value, char *out, size_t size, const char **user, const char **password);
/* "Bearer TOKEN" (RFC 6750 2.1). */
bool http_bearer_parse(struct http_text value, struct http_text *token);

#endif
