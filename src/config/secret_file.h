/* SPDX-License-Identifier: Apache-2.0 */
/* Small text files outside of the state directory that hold keys and certificates. Only this folder includes it. */
#ifndef CONFIG_SECRET_FILE_H
#define CONFIG_SECRET_FILE_H

#include "config/error.h"

enum secrecy {
    SECRET_PUBLIC,
    SECRET_PRIVATE, /* refused when everybody may read it */
};

/* At most CONFIG_FILE_MAX bytes without a NUL, heap; NULL and *err, which begins with the path. */
char *secret_read(const char *path, enum secrecy secrecy, struct config_error *err);
/* Wipes it first; NULL is allowed. */
void secret_free(char *text);

#endif
