/* SPDX-License-Identifier: Apache-2.0 */
/* Changes to the file authorized_clients, by a command or at the admin page. A running server sees it change. Any thread; waits
 * for the disk and for others that write it. */
#ifndef SERVER_CLIENT_EDIT_H
#define SERVER_CLIENT_EDIT_H

#include "config/authorized_clients.h"
#include "config/state.h"

enum client_edit_result {
    CLIENT_EDIT_DONE,
    CLIENT_EDIT_WRONG,  /* what was asked for is not valid */
    CLIENT_EDIT_FAILED, /* the file */
};

/* The file's text, heap, "" when it is not there; NULL and *err. */
char *client_lines(struct state *s, struct config_error *err);
/* *err unless it is done. `key`, `grant`: as authorized_clients_edit(). */
enum client_edit_result client_edit(struct state *s, enum authorized_edit edit, const char *id, const struct fingerprint *key,
                                    const struct client_grant *grant, struct config_error *err);
/* As `clients allow`: `key` is a fingerprint or "any", `options` ends with NULL. */
enum client_edit_result client_allow(struct state *s, const char *id, const char *key, const char *const *options,
                                     struct config_error *err);

#endif
