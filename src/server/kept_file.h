/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small text file of the administrator's, read again when it has changed. Whoever asks owns it: one worker. Asking looks at the
 * file at most once a second, and reads it (blocks for a local disk) only when it looks different.
 */
#ifndef SERVER_KEPT_FILE_H
#define SERVER_KEPT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct kept_file {
    char *path;       /* heap */
    char *text;       /* heap, with a NUL behind it; NULL: there is no such file */
    size_t len;
    struct stat seen; /* zero: not there */
    uint64_t look_us; /* when to look again */
};

/* `directory` and `name` are copied; without memory there never is such a file. */
void kept_file_init(struct kept_file *k, const char *directory, const char *name);
void kept_file_done(struct kept_file *k);
/* What it says, until the next call; NULL: it is not there, or is longer than KEPT_FILE_MAX, which is logged. */
const char *kept_file_text(struct kept_file *k, uint64_t now_us);

#endif
