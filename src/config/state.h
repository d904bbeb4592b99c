/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program remembers between runs, in its state directory (0700; default: $STATE_DIRECTORY, else
 * $XDG_STATE_HOME/mdm-tunnel, else ~/.local/state/mdm-tunnel, for root /var/lib/mdm-tunnel). Files are written
 * atomically (temporary file, fsync, rename), mode 0600.
 */
#ifndef CONFIG_STATE_H
#define CONFIG_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config/error.h"
#include "mdm-tunnel/limits.h"

struct state;

/* Makes the directory when it is missing. `dir` NULL: the default. */
int state_open(const char *dir, struct state **out, struct config_error *err);
/*
 * For root before it becomes user `name`: the directory, made when it is missing, is that user's. Its path, heap; NULL and
 * *err, also when it has another user's files.
 */
char *state_give(const char *dir, uid_t uid, gid_t gid, const char *name, struct config_error *err);
void state_free(struct state **s);
/* A whole small text file, NUL-terminated, heap; NULL when it is not there or not readable (errno). */
char *state_read(struct state *s, const char *name);
int state_write(struct state *s, const char *name, const char *text, struct config_error *err);

/* Its path. */
const char *state_directory(const struct state *s);
/* Between programs and threads that read a file to write it again: waits for the others. 0, or -1 and *err. */
int state_lock(struct state *s, struct config_error *err) __attribute__((warn_unused_result));
void state_unlock(struct state *s);

/* A random instance id. 0 or an errno. */
int instance_create(char out[static INSTANCE_TEXT_BYTES + 1]);
/*
 * The instance id of this run: its first INSTANCE_PLACE_BYTES digits are those of the process that ran before in the
 * same place, if it has ended. A place is a lock in the state directory, which this process holds until state_free();
 * without one (the directory cannot be written to) all is random. 0 or an errno. Once a state.
 */
int instance_claim(struct state *s, char out[static INSTANCE_TEXT_BYTES + 1]);

#endif
