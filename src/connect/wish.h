/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wishes: what a command line of mdm-tunnel-connect asks for, one for each way through a device: from a local port (or
 * standard input and output) to a service of the device, or to a port that it reaches; or back, from a port of the device to
 * one that this workstation reaches. Pure.
 */
#ifndef CONNECT_WISH_H
#define CONNECT_WISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"
#include "mdm-tunnel/limits.h"

enum wish_kind {
    WISH_TCP,    /* from a local port */
    WISH_UDP,    /* likewise, datagrams */
    WISH_STDIO,  /* from standard input and output */
    WISH_BACK,   /* from a port of the device */
    WISH_PUBLIC, /* no way: the service is made public */
};

struct wish {
    enum wish_kind kind;
    char device[NAME_MAX_BYTES + 1];
    char service[NAME_MAX_BYTES + 1]; /* "": the default one, or `target` says */
    char target[264];                 /* "host:port" that the device reaches, or listens at; "": a service */
    char here[264];                   /* WISH_BACK: "host:port" that this workstation reaches */
    char address[256];                /* where it listens: a name or an address */
    uint16_t port;                    /* 0: a free one */
    uint32_t public_s;                /* WISH_PUBLIC: for so many seconds; 0: that is taken back */
};

struct wishes {
    unsigned count;
    struct wish list[WISHES_MAX];
};

struct wish_options {
    const char *listen;   /* "[ADDR:]PORT"; NULL: 127.0.0.1 and a free port */
    const char *remote;   /* "PORT" or "HOST:PORT" that the device reaches; NULL: a service */
    /* Lines "[ADDR:]LPORT:RPORT", "[ADDR:]LPORT:HOST:RPORT"; NULL: none. `backs`: the device's port comes first. */
    const char *forwards, *datagrams, *backs;
    bool stdio;
    const char *public_for; /* "1h": the services are made public for so long; NULL: ways */
};

/* `devices`: "DEVICE" or "DEVICE/SERVICE", `count` of them. 0, or -1 and *err. */
int wishes_parse(char *const *devices, int count, const struct wish_options *options, struct wishes *out,
                 struct config_error *err);
/* The wish for log lines: "gateway-oli/ssh", "gateway-oli/localhost:22", "gateway-oli". */
void wish_text(const struct wish *w, char *out, size_t size);

#endif
