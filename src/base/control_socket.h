/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running program's control socket: PROGRAM.PID.sock (unix(7), mode 0600) in its state directory. Whoever may open it sends one
 * line and reads the answer until the end. Several programs may run with one directory; what one left behind that was killed is
 * removed by the next.
 */
#ifndef BASE_CONTROL_SOCKET_H
#define BASE_CONTROL_SOCKET_H

#include <stddef.h>

struct control_socket;
struct control_question;
struct worker;

/* A line has come, on the worker: it is answered now or later, once. */
typedef void control_fn(void *ctx, struct control_question *q, const char *line);

/* `directory` is copied. Before the worker runs, or on it. NULL with errno (ENAMETOOLONG: the path does not fit into an address). */
struct control_socket *control_socket_open(struct worker *w, const char *directory, const char *program, control_fn *asked, void *ctx);
/* After the worker has stopped. Removes the file; questions without an answer are cut. NULL is allowed. */
void control_socket_free(struct control_socket **s);
/* Takes the text (heap); NULL: there is no answer. On the worker. */
void control_answer(struct control_question **q, char *text);

/* -- the other end --------------------------------------------------------------------------------------------------- */

typedef void control_answer_fn(void *ctx, const char *answer);

/*
 * Asks each `program` that runs with `directory`, one after the other; blocks for CONTROL_WAIT_S at most for each. Returns how
 * many have answered; *why (a constant) is what went wrong with the last one that did not, NULL: nothing.
 */
unsigned control_ask(const char *directory, const char *program, const char *line, control_answer_fn *each, void *ctx, const char **why);

#endif
