/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as text for others: JSON for the page and for scripts, HAR 1.2 (with Chromium's field for WebSocket messages), a
 * command line for curl(1). With the book's lock held; pure but for the clock.
 */
#ifndef INSPECT_SHOW_H
#define INSPECT_SHOW_H

#include "base/text.h"
#include "inspect/record.h"

struct show {
    bool reveal;     /* the values of secret fields, too */
    uint64_t now_us; /* CLOCK_MONOTONIC */
};

/* One line of the list: an object. */
void show_summary(struct text *t, const struct record *r, const struct show *how);
/* All that is known but the bodies' bytes beyond what is shown as text: an object. */
void show_record(struct text *t, const struct record *r, const struct show *how);
/* An entry of a HAR's log; show_har_begin(), entries with commas between them, show_har_end(). */
void show_har_begin(struct text *t);
void show_har_entry(struct text *t, const struct record *r, const struct show *how);
void show_har_end(struct text *t);
/* For a POSIX shell; ends with a newline. */
void show_curl(struct text *t, const struct record *r, const struct show *how);

/* The URL that a visitor asked for, as far as the request says. */
void show_url(struct text *t, const struct record *r, const struct record_fields *f);
/* "2026-11-26T12:00:00.123Z" */
void show_time(struct text *t, int64_t time_us);

/* The fields that are about a request itself, and not about its way through the tunnel or about framing. */
bool show_field_is_own(struct http_text name);

#endif
