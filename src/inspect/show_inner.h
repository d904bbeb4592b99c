/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats share. */
#ifndef INSPECT_SHOW_INNER_H
#define INSPECT_SHOW_INNER_H

#include "inspect/show.h"

/* "key":"...", any bytes. */
void show_string(struct text *t, const char *key, const void *bytes, size_t len);
void show_word(struct text *t, const char *key, const char *word);
void show_url_string(struct text *t, const char *key, const struct record *r, const struct record_fields *f);
/* UTF-8 without control characters but those of white space: nothing that a terminal would obey. `cut`: its last character may not be whole. */
bool show_is_text(const uint8_t *bytes, size_t len, bool cut);
/* What is shown of a field's value. */
struct http_text show_value(const struct http_field *f, const struct show *how);

#endif
