/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inspector's interface over HTTP, and its page: what mdm-tunnel-client(1) says below INSPECTOR. On the web's thread.
 */
#ifndef INSPECT_API_H
#define INSPECT_API_H

#include "inspect/book.h"
#include "web/web.h"

struct inspect_api {
    struct book *book;
    const char *client; /* its id */
    bool reveal;        /* values of secret fields are never hidden */
    /* Sends `len` bytes (heap, taken) to the service of `r` (a reference, taken) and has a capture expect it. False: not
     * now, both stay the caller's. */
    bool (*resend)(void *ctx, struct record *r, char *bytes, size_t len);
    void *ctx;
};

/* A web_handler_fn; `ctx` is a struct inspect_api. */
void inspect_api_handle(void *ctx, const struct web_request *request, struct web_reply *out);

#endif
