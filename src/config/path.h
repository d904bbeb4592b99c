/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that people write. */
#ifndef CONFIG_PATH_H
#define CONFIG_PATH_H

/* The user's home directory, heap: $HOME, else the password database; NULL when neither says. */
char *path_home(void);
/* A heap copy in which a leading "~/" is the home directory; NULL without memory or home. */
char *path_expand(const char *path);

#endif
