/* SPDX-License-Identifier: Apache-2.0 */
/* From the command line to wishes. */
#include "connect/wish.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/label.h"
#include "config/number.h"
#include "config/services.h"
#include "config/target.h"

#define HERE "127.0.0.1"
#define FIELDS_MAX 4

void wish_text(const struct wish *w, char *out, size_t size)
{
    const char *what = w->target[0] != '\0' ? w->target : w->service;
    snprintf(out, size, "%s%s%s", w->device, what[0] != '\0' ? "/" : "", what);
}

/* -- a forward's fields -------------------------------------------------------------------------------------------- */

struct field {
    const char *text;
    size_t len;
};

/* Fields between colons, an IPv6 address in brackets being one (without them). Returns how many, 0 when it cannot be. */
static unsigned fields_split(const char *text, size_t len, struct field out[static FIELDS_MAX])
{
    const char *end = text + len;
    for (unsigned count = 0; count < FIELDS_MAX;) {
        bool bracket = text < end && *text == '[';
        const char *stop = bracket ? memchr(text, ']', (size_t)(end - text)) : NULL;
        if (bracket && stop == NULL)
            return 0;
        if (!bracket) {
            stop = memchr(text, ':', (size_t)(end - text));
            stop = stop != NULL ? stop : end;
        }
        out[count++] = (struct field){text + bracket, (size_t)(stop - text) - bracket};
        text = stop + bracket;
        if (text == end)
            return count;
        if (*text++ != ':')
            return 0;
    }
    return 0;
}

static int port_of(const struct field *f, unsigned min, uint16_t *out, struct config_error *err)
{
    char digits[16];
    unsigned port;
    struct config_error why;
    snprintf(digits, sizeof(digits), "%.*s", f->len < 15 ? (int)f->len : 15, f->text);
    if (number_parse(digits, min, UINT16_MAX, &port, &why) != 0)
        return config_error_set(err, "port %s: %s", digits, why.text);
    *out = (uint16_t)port;
    return 0;
}

static int text_of(const struct field *f, char *out, size_t size, struct config_error *err)
{
    if (f->len == 0 || f->len >= size)
        return config_error_set(err, "a host of %zu bytes", f->len);
    memcpy(out, f->text, f->len);
    out[f->len] = '\0';
    return 0;
}

static int target_set(char *out, size_t size, const struct field *host, const struct field *port, struct config_error *err)
{
    char text[300];
    struct target target;
    struct config_error why;
    bool v6 = host != NULL && memchr(host->text, ':', host->len) != NULL;
    if (host == NULL)
        snprintf(text, sizeof(text), "%.*s", (int)(port->len < 20 ? port->len : 20), port->text);
    else
        snprintf(text, sizeof(text), v6 ? "[%.*s]:%.*s" : "%.*s:%.*s", (int)(host->len < 256 ? host->len : 256), host->text,
                 (int)(port->len < 20 ? port->len : 20), port->text);
    if (target_parse(text, &target, &why) != 0 || target.kind != TARGET_TCP)
        return config_error_set(err, "'%.128s' is not PORT or HOST:PORT", text);
    target_text(&target, out, size);
    return 0;
}

static int listen_set(struct wish *w, const char *text, struct config_error *err)
{
    struct field f[FIELDS_MAX];
    unsigned count = fields_split(text, strlen(text), f);
    if (count != 1 && count != 2)
        return config_error_set(err, "--listen: '%.128s' is not PORT or ADDRESS:PORT", text);
    if (count == 2 && text_of(&f[0], w->address, sizeof(w->address), err) != 0)
        return -1;
    return port_of(&f[count - 1], 0, &w->port, err);
}

/* The lists of ways, and how their lines are read. */
struct way_list {
    enum wish_kind kind;
    const char *option, *form;
};

static const struct way_list forward_list = {WISH_TCP, "--forward", "LPORT:RPORT or LPORT:HOST:RPORT"};
static const struct way_list datagram_list = {WISH_UDP, "--udp", "LPORT:RPORT or LPORT:HOST:RPORT"};
static const struct way_list back_list = {WISH_BACK, "--back", "RPORT:LPORT or RPORT:HOST:LPORT"};

/* [ADDRESS:]PORT and [HOST:]PORT, which are a listening end and its target. */
static int line_set(struct wish *w, const struct way_list *list, const char *line, size_t len, struct config_error *err)
{
    struct field f[FIELDS_MAX];
    unsigned count = fields_split(line, len, f);
    if (count < 2)
        return config_error_set(err, "%s: '%.*s' is not %s", list->option, (int)(len < 128 ? len : 128), line, list->form);
    unsigned first = count == 4 ? 1 : 0;
    const struct field *host = count == 2 ? NULL : &f[count - 2];
    w->kind = list->kind;
    if (list->kind == WISH_BACK) {
        if (target_set(w->here, sizeof(w->here), host, &f[count - 1], err) != 0)
            return -1;
        return target_set(w->target, sizeof(w->target), first == 1 ? &f[0] : NULL, &f[first], err);
    }
    if (first == 1 && text_of(&f[0], w->address, sizeof(w->address), err) != 0)
        return -1;
    if (port_of(&f[first], 0, &w->port, err) != 0)
        return -1;
    return target_set(w->target, sizeof(w->target), host, &f[count - 1], err);
}

/* -- all of them --------------------------------------------------------------------------------------------------- */

static int device_set(struct wish *w, const char *text, struct config_error *err)
{
    size_t len = strcspn(text, "/");
    if (!label_normalise(text, len, w->device))
        return config_error_set(err, "%.128s: a device's name is 1 to 63 letters, digits and single hyphens inside", text);
    if (text[len] == '/' && !label_normalise(text + len + 1, strlen(text + len + 1), w->service))
        return config_error_set(err, "%.128s: a service's name is 1 to 63 letters, digits and single hyphens inside", text);
    return 0;
}

static int public_set(struct wish *w, const char *text, struct config_error *err)
{
    struct config_error why;
    uint64_t us;
    if (duration_parse(text, 0, PUBLISH_S_MAX, &us, &why) != 0)
        return config_error_set(err, "--for: %s", why.text);
    if (us > 0 && us < US_PER_S)
        return config_error_set(err, "--for: %.64s is less than a second", text);
    w->kind = WISH_PUBLIC;
    w->public_s = (uint32_t)(us / US_PER_S);
    return 0;
}

static struct wish *wish_add(struct wishes *all, struct config_error *err)
{
    if (all->count == WISHES_MAX) {
        config_error_set(err, "more than %d ways at once", WISHES_MAX);
        return NULL;
    }
    struct wish *w = &all->list[all->count++];
    *w = (struct wish){.address = HERE};
    return w;
}

static int lines_add(struct wishes *all, const struct way_list *list, const char *device, const char *lines,
                     struct config_error *err)
{
    for (const char *end; lines != NULL && (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        struct wish *w = wish_add(all, err);
        if (w == NULL || line_set(w, list, lines, (size_t)(end - lines), err) != 0)
            return -1;
        snprintf(w->device, sizeof(w->device), "%s", device);
    }
    return 0;
}

/* The wish of one positional: not needed when forwards say everything. */
static int device_add(struct wishes *all, const char *text, const struct wish_options *o, struct config_error *err)
{
    struct wish *w = wish_add(all, err);
    if (w == NULL || device_set(w, text, err) != 0)
        return -1;
    if (o->remote != NULL && w->service[0] != '\0')
        return config_error_set(err, "%.128s: a service and --remote are two targets", text);
    w->kind = o->stdio ? WISH_STDIO : WISH_TCP;
    if (o->public_for != NULL && public_set(w, o->public_for, err) != 0)
        return -1;
    if (o->listen != NULL && listen_set(w, o->listen, err) != 0)
        return -1;
    if (o->remote != NULL) {
        struct field f[FIELDS_MAX];
        unsigned count = fields_split(o->remote, strlen(o->remote), f);
        if (count != 1 && count != 2)
            return config_error_set(err, "--remote: '%.128s' is not PORT or HOST:PORT", o->remote);
        return target_set(w->target, sizeof(w->target), count == 2 ? &f[0] : NULL, &f[count - 1], err);
    }
    return 0;
}

int wishes_parse(char *const *devices, int count, const struct wish_options *o, struct wishes *out,
                 struct config_error *err)
{
    bool lines = o->forwards != NULL || o->datagrams != NULL || o->backs != NULL;
    bool single = o->listen != NULL || o->remote != NULL || lines || o->stdio;
    out->count = 0;
    if (count == 0)
        return config_error_set(err, "which device? Say its name: mdm-tunnel-connect DEVICE");
    if (single && count > 1)
        return config_error_set(err, "%s goes with one device",
                                o->stdio ? "--stdio" : "--listen, --remote, --forward, --udp or --back");
    if (o->public_for != NULL && single)
        return config_error_set(err, "--public opens no way: --listen, --remote, --forward, --udp, --back and --stdio do not go "
                                     "with it");
    if (o->stdio && (o->listen != NULL || lines))
        return config_error_set(err, "--stdio listens nowhere");
    for (int i = 0; i < count; i++)
        if (device_add(out, devices[i], o, err) != 0)
            return -1;
    struct wish *first = &out->list[0];
    bool only_lines = lines && o->listen == NULL && o->remote == NULL && first->service[0] == '\0';
    char device[sizeof(first->device)];
    memcpy(device, first->device, sizeof(device));
    if (only_lines)
        out->count = 0;
    if (lines_add(out, &forward_list, device, o->forwards, err) != 0 ||
        lines_add(out, &datagram_list, device, o->datagrams, err) != 0)
        return -1;
    return lines_add(out, &back_list, device, o->backs, err);
}
