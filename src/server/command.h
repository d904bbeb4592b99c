/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that manage the files of a server, running or not: `mdm-tunnel-server fingerprint`, `... clients list`. */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

/* `words`: the command and its arguments, `count` > 0. Prints its answer or what is wrong; the exit status. */
int command_run(const char *state_dir, char *const *words, int count);

#endif
