/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live screen: how the client is, what passes, the last requests, the log's last lines; drawn with curses, in place, until the end.
 * It takes the terminal over, and standard error: what is written there appears among the log's lines. However the program ends (but
 * for SIGKILL), the terminal is as it was before.
 *
 *     open (before threads start) -> show (a client) -> work, draw ... -> close
 *
 * One thread's, the main one's: curses knows no threads.
 */
#ifndef CLIENT_TUI_H
#define CLIENT_TUI_H

#include <stdbool.h>
#include <stdint.h>

struct book;
struct client;
struct tui;

/* Whether standard input, output and error are a terminal that can be drawn on. */
bool tui_possible(void);
/* `id`: the client's; outlives it. NULL: the terminal cannot be used, or there is no memory; nothing has changed then. */
struct tui *tui_open(const char *id);
/* What is drawn: they outlive it. `page`: the inspector's, "": none. */
void tui_show(struct tui *t, struct client *c, struct book *b, const char *page);
/* Becomes readable (poll(2)) when there is work. */
int tui_fd(const struct tui *t);
/* Takes keys, lines of the log, a new size. False: the user wants the program to end, or the terminal is gone. */
bool tui_work(struct tui *t);
/* When it is drawn next, on CLOCK_MONOTONIC. */
uint64_t tui_due_us(const struct tui *t);
void tui_draw(struct tui *t);
/* Says on standard error what was said there to the user and not to the log. NULL is allowed. */
void tui_close(struct tui **t);

#endif
