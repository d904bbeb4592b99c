/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: a folder as an HTTP service (RFC 9110): GET and HEAD, index.html or a list, ranges, validators. libmicrohttpd on a thread
 * of its own, behind a Unix-domain socket in a directory that only this user may enter. Everything is opened by openat2(2) below
 * the folder: symbolic links out of it, and .., lead nowhere. Names that begin with a dot are not there,
 * unless they are wanted.
 */
#ifndef FILES_FILES_H
#define FILES_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct files;

/* Starts at once. NULL and a text of what is wrong. */
struct files *files_create(const char *folder, bool dot_files, char *why, size_t why_size);
/* The path of its socket. */
const char *files_socket(const struct files *f);
/* Waits for its thread, cuts what is under way. NULL is allowed. */
void files_free(struct files **f);

#endif
