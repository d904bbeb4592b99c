/* SPDX-License-Identifier: Apache-2.0 */
/* A folder's page, and paths as URLs. */
#ifndef FILES_LISTING_H
#define FILES_LISTING_H

#include "base/text.h"

/* Opens what is below the folder `root`, and only that. -1 with errno. */
int open_below(int root, const char *path, int flags);
/* A path as it stands in a URL (RFC 3986 2): all but letters, digits and -._~/ is encoded. */
void url_add(struct text *out, const char *path);
/* The page of the folder at `path` ("." or without a slash at its ends), open as `fd`, which is the callee's, with or without names that begin with a
 * dot. False with errno. */
bool listing_write(int root, const char *path, int fd, bool dot_files, struct text *out);

#endif
