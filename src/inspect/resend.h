/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resend: the bytes of a recorded request that is sent again, as it was or edited, on a connection of its own. The framing is
 * written anew (Content-Length, Connection: close), Expect is left out. Pure; with the book's lock held.
 */
#ifndef INSPECT_RESEND_H
#define INSPECT_RESEND_H

#include "base/text.h"
#include "config/request_edit.h"
#include "inspect/record.h"

/* What an edited field's value SECRET_MASK stands for is taken from the record. NULL, or why not (a constant). */
const char *resend_write(struct text *t, const struct record *r, const struct request_edit *e);

#endif
