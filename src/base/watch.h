/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches one file by its path, so that a program can read it again after an edit. Seen are a write, a replacement by
 * rename (as editors do), the file's appearance and disappearance, and the same at the other end of a symbolic link.
 * Changes within a tenth of a second are one.
 */
#ifndef BASE_WATCH_H
#define BASE_WATCH_H

#include "base/worker.h"

struct watch;

/*
 * The file may be missing, and so may its directory (then it is looked for once a second). `changed` runs on `w`, for
 * changes after this call, and may free the watch. On `w`, or before its start. NULL with errno.
 */
struct watch *watch_create(struct worker *w, const char *path, void (*changed)(void *ctx), void *ctx);
/* On the worker, or after its stop. */
void watch_free(struct watch **w);

#endif
