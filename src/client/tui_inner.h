/* SPDX-License-Identifier: Apache-2.0 */
/* The live screen's object, for the files that make it up. */
#ifndef CLIENT_TUI_INNER_H
#define CLIENT_TUI_INNER_H

#include <locale.h>
#include <termios.h>

#include "base/log.h"
#include "base/object.h"
#include "client/client.h"
#include "client/tui.h"
#include "inspect/book.h"

#define TUI_MAGIC 0x7475695fu
/* Lines of the log that are kept. */
#define TUI_LINES 64

struct tui {
    OBJECT_MAGIC;
    const char *id, *page;
    struct client *client; /* NULL: not yet */
    struct book *book;
    uint64_t due_us;

    /* the terminal (tui.c) */
    void *terminal; /* a SCREEN */
    locale_t locale, locale_before;
    int events, signals; /* epoll(7), signalfd(2) */
    int log_in, errors;  /* the pipe that standard error is, and what it was before */

    /* the log: a ring, and a line that is not complete */
    char kept[TUI_LINES][LOG_LINE_MAX + 1];
    unsigned kept_seen;
    char part[LOG_LINE_MAX + 1];
    size_t part_len;

    /* what was seen last (tui_draw.c) */
    struct client_look look;
    bool looked;
    uint64_t sampled_us, sent, received; /* when and what the rates were counted from */
    double sent_rate, received_rate;     /* bytes a second */
};

/* Draws all of it. */
void tui_paint(struct tui *t, uint64_t now_us);

#endif
