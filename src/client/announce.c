/* SPDX-License-Identifier: Apache-2.0 */
/* One line for each URL, and its QR code. */
#include "client/announce.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "client/qr.h"

#define PROGRAM "mdm-tunnel-client"

/* A code whose lines are folded is none. */
static bool fits(unsigned columns)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_col >= columns)
        return true;
    log_fatal(PROGRAM, "the QR code needs %u columns, the terminal has %u", columns, size.ws_col);
    return false;
}

static void qr_print(const char *url)
{
    struct text text;
    unsigned columns;
    text_init(&text, QR_TEXT_MAX);
    if (!qr_write(url, qr_style_of(STDOUT_FILENO), &text, &columns))
        log_fatal(PROGRAM, "there is no memory for the QR code");
    else if (fits(columns))
        fwrite(text.at, 1, text.len, stdout);
    text_done(&text);
}

void announce_url(void *ctx, const char *service, const char *url)
{
    struct announce *a = ctx;
    (void)service;
    if (a->silent || strcmp(a->last, url) == 0)
        return;
    snprintf(a->last, sizeof(a->last), "%s", url);
    puts(url);
    if (a->qr)
        qr_print(url);
    fflush(stdout);
}
