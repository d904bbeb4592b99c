/* SPDX-License-Identifier: Apache-2.0 */
/* Link: what both kinds share, and the way to the kind. */
#include "link/link.h"

#include <string.h>

#include "link/link_kind.h"

static void texts_free(char **texts)
{
    if (texts == NULL)
        return;
    for (char **t = texts; *t != NULL; t++)
        free(*t);
    free(texts);
}

static char **texts_copy(const char *const *texts)
{
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL)
        count++;
    char **copy = calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i] = strdup(texts[i]);
        if (copy[i] == NULL) {
            texts_free(copy);
            return NULL;
        }
    }
    return copy;
}

static bool text_copy(char **out, const char *text)
{
    *out = text == NULL ? NULL : strdup(text);
    return text == NULL || *out != NULL;
}

bool link_init(struct link *l, const struct link_kind *kind, const struct link_config *config)
{
    l->kind = kind;
    l->worker = config->worker;
    l->events = config->events;
    l->ctx = config->ctx;
    l->filters = texts_copy(config->filters);
    l->everywhere_filters = texts_copy(config->everywhere_filters);
    return text_copy(&l->presence_topic, config->presence_topic) && text_copy(&l->presence, config->presence) &&
           l->filters != NULL && l->everywhere_filters != NULL;
}

void link_done(struct link *l)
{
    texts_free(l->filters);
    texts_free(l->everywhere_filters);
    free(l->presence_topic);
    free(l->presence);
}

void link_tell_up(struct link *l, const char *note)
{
    if (l->events->up != NULL)
        l->events->up(l->ctx, note);
}

void link_tell_down(struct link *l, const char *why, uint64_t retry_us)
{
    if (l->events->down != NULL)
        l->events->down(l->ctx, why, retry_us);
}

void link_tell_message(struct link *l, const char *topic, const struct slice *payload, bool retained, unsigned origin)
{
    if (l->events->message != NULL)
        l->events->message(l->ctx, topic, payload, retained, origin);
}

void link_tell_writable(struct link *l)
{
    if (l->events->writable != NULL)
        l->events->writable(l->ctx);
}

void link_start(struct link *l)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    l->kind->start(l);
}

void link_set_presence(struct link *l, const char *presence)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    l->kind->set_presence(l, presence);
}

size_t link_room(struct link *l, const char *topic)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    return l->kind->room(l, topic);
}

size_t link_max_payload(const struct link *l)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    return l->kind->max_payload(l);
}

void link_publish(struct link *l, const char *topic, struct slice payload)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    l->kind->publish(l, topic, payload);
}

void link_close(struct link *l)
{
    CHECK_OBJECT(l, LINK_MAGIC);
    l->kind->close(l);
}

void link_free(struct link **l)
{
    if (*l == NULL)
        return;
    struct link *gone;
    TAKE_OBJECT(gone, l, LINK_MAGIC);
    gone->kind->free(gone);
}
