/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of one service in the services file: a table of rows (mdm-tunnel-services(5)). Only this folder includes it. */
#ifndef CONFIG_SERVICE_KEYS_H
#define CONFIG_SERVICE_KEYS_H

#include "base/bytes.h"
#include "config/services.h"
#include "mdm-tunnel/limits.h"

struct cJSON;

/* One service while it is read. */
struct service_draft {
    struct service *out;
    const char *file;
    char path[256]; /* to the value that is being read */
    struct config_error *err;
    bool said; /* `err` holds something */
    bool kind_said;
    struct bytes_writer rules;
    uint8_t bytes[SERVICE_RULES_MAX];
};

/* A port, "HOST:PORT", "unix:/PATH" or an object of keys; the name is set. 0, or -1 and *err. */
int service_value_read(const struct cJSON *value, const char *file, struct service *out, struct config_error *err);

/* Whatever is wrong begins with the file and the path to the value. Returns -1. */
int draft_error(struct service_draft *d, const char *what);
/* The path goes on to a member or an element; what is returned leads back. */
size_t draft_enter(struct service_draft *d, const char *member, unsigned element);
void draft_leave(struct service_draft *d, size_t mark);

#endif
