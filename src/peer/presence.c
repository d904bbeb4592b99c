/* SPDX-License-Identifier: Apache-2.0 */
/* Who is there, as the broker says, and as has been proven. */
#include "peer/presence.h"

#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "peer/note.h"
#include "peer/peer_session.h"

/* -- what is known ------------------------------------------------------------------------------------------------ */

static void presence_tell(struct hub_shard *s, const char *id, enum directory_change change)
{
    if (change == DIRECTORY_CAME || change == DIRECTORY_CAME_FIRST)
        shard_tell(s, client_up, id, change == DIRECTORY_CAME_FIRST);
    else if (change == DIRECTORY_WENT || change == DIRECTORY_WENT_LAST)
        shard_tell(s, client_down, id, change == DIRECTORY_WENT_LAST);
    else if (change == DIRECTORY_REFUSED)
        counter_add(counters_self(), COUNTER_limits_hit, 1);
}

/* The instance's own way: its sessions wait while it is away. */
static void presence_of_sessions(struct hub_shard *s, const char *instance, bool there)
{
    struct peer_session *here[ROUTES_HERE_MAX];
    unsigned count = routes_here(&s->routes, instance, here);
    for (unsigned i = 0; i < count; i++)
        peer_session_presence(here[i], there);
}

void presence_place_taken(struct hub_shard *s, const char *instance)
{
    struct peer_session *former[FORMER_SESSIONS_MAX];
    unsigned count = routes_former(&s->routes, instance, former);
    for (unsigned i = 0; i < count; i++)
        if (!former[i]->inside)
            peer_session_former(former[i]);
}

static void shard_presence(struct hub_shard *s, const char *id, const char *instance, bool there, unsigned origin)
{
    claim_remove(s, id, instance);
    enum directory_change change =
        there ? directory_add(s->directory, id, instance, origin) : directory_remove(s->directory, id, instance);
    bool known = there ? change != DIRECTORY_REFUSED : change != DIRECTORY_SAME;
    if (known)
        presence_of_sessions(s, instance, there);
    if (change == DIRECTORY_CAME || change == DIRECTORY_CAME_FIRST) {
        directory_weigh(s->directory, instance, routes_weight(&s->routes, instance));
        presence_place_taken(s, instance);
    }
    presence_tell(s, id, change);
}

static void present_read(struct hub_shard *s, const struct note *n)
{
    shard_presence(s, n->id, n->instance, true, n->worker);
}

static void gone_read(struct hub_shard *s, const struct note *n)
{
    shard_presence(s, n->id, n->instance, false, n->worker);
}

/* -- presence that has to be proven -------------------------------------------------------------------------------- */

/* After the key of an instance turned out to be wrong it is left alone for a moment, so that another may be the first. */
#define DISPROVEN_US (1 * US_PER_S)

bool shard_wants_proof(const struct hub_shard *s)
{
    const struct hub_config *config = &s->hub->config;
    return config->seal != NULL && (config->watch_presence || config->watch_ids != NULL);
}

static bool directory_knows(const struct hub_shard *s, const char *id, const char *instance)
{
    const struct directory_instance *i = directory_find(s->directory, instance);
    return i != NULL && strcmp(i->id, id) == 0;
}

static void presence_tell_all(struct hub_shard *s, const char *id, const char *instance, bool there, unsigned origin)
{
    struct note n = note_about(s, instance, 0);
    n.read = there ? present_read : gone_read;
    n.worker = origin;
    memcpy(n.id, id, strlen(id) + 1);
    shard_presence(s, n.id, n.instance, there, origin);
    if (!note_send(s, &n, NOTE_TO_ALL))
        log_debug(n.id, "no memory to pass on that it came or went");
}

void shard_proven(struct hub_shard *s, const char *id, const char *instance)
{
    if (directory_knows(s, id, instance))
        claim_remove(s, id, instance);
    else
        presence_tell_all(s, id, instance, true, s->index);
}

void shard_disproven(struct hub_shard *s, const char *id, const char *instance)
{
    if (!directory_knows(s, id, instance)) {
        claim_failed(s, id, instance);
        return;
    }
    presence_tell_all(s, id, instance, false, s->index);
    claim_add(s, id, instance, DISPROVEN_US);
}

/* A session that is here has the key already when its instance comes back; else the nearest shard has to see to it. */
static void presence_claimed(struct hub_shard *s, const char *id, const char *instance, unsigned origin)
{
    struct peer_session *here[ROUTES_HERE_MAX];
    unsigned count = routes_here(&s->routes, instance, here);
    bool proven = false;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(here[i]->name, id) == 0 && here[i]->up)
            proven = true;
    if (proven)
        presence_tell_all(s, id, instance, true, origin);
    else if (hub_owner(s->hub, origin) == s->index)
        claim_add(s, id, instance, 0);
}

/* Ends handshakes with an instance that is gone. */
static void presence_unclaimed(struct hub_shard *s, const char *id, const char *instance)
{
    struct peer_session *here[ROUTES_HERE_MAX];
    unsigned count = routes_here(&s->routes, instance, here);
    claim_remove(s, id, instance);
    for (unsigned i = 0; i < count; i++)
        if (strcmp(here[i]->name, id) == 0 && !here[i]->up)
            peer_session_end(here[i], &error_client_offline);
}

/* The one shard that passes on that a proven instance is gone: the one that may have said that it came. */
static bool tells_of_end(const struct hub_shard *s, const char *instance)
{
    const struct list *routes = routes_of(&s->routes, instance);
    const struct directory_instance *i = directory_find(s->directory, instance);
    unsigned teller = routes != NULL ? CONTAINER_OF(routes->next, struct route, node)->owner
                      : i != NULL    ? hub_owner(s->hub, i->origin)
                                     : WORKERS_MAX;
    return teller == s->index;
}

static void presence_to_prove(struct hub_shard *s, const char *id, const char *instance, bool there, unsigned origin)
{
    bool known = directory_knows(s, id, instance);
    if (there && !known)
        presence_claimed(s, id, instance, origin);
    else if (there)
        shard_presence(s, id, instance, true, origin);
    else if (!known)
        presence_unclaimed(s, id, instance);
    else if (tells_of_end(s, instance))
        presence_tell_all(s, id, instance, false, origin);
    else
        shard_presence(s, id, instance, false, origin);
}

static void presence_heard(struct hub_shard *s, const char *id, const char *instance, bool there, unsigned origin)
{
    struct note n = note_about(s, instance, 0);
    n.read = there ? present_read : gone_read;
    n.worker = origin;
    memcpy(n.id, id, strlen(id) + 1);
    if (shard_wants_proof(s)) {
        presence_to_prove(s, n.id, n.instance, there, origin);
        return;
    }
    shard_presence(s, n.id, n.instance, there, origin);
    if (s->index == s->hub->feeder && !note_send(s, &n, NOTE_TO_LINKLESS))
        log_debug(n.id, "no memory to pass on that it came or went");
}

bool instance_valid(const char *text)
{
    return strlen(text) == INSTANCE_TEXT_BYTES && strspn(text, "0123456789abcdef") == INSTANCE_TEXT_BYTES;
}

/* A broker may say more than was subscribed to. */
static bool watches(const struct hub_shard *s, const char *id)
{
    const struct hub_config *config = &s->hub->config;
    for (unsigned i = 0; !config->watch_presence && config->watch_ids != NULL && config->watch_ids[i] != NULL; i++)
        if (strcmp(config->watch_ids[i], id) == 0 || strcmp(config->watch_ids[i], HUB_EVERYBODY) == 0)
            return true;
    return config->watch_presence;
}

/* `rest` is ID/INSTANCE, as a stranger may have written it. */
void presence_message(struct hub_shard *s, const char *rest, bool there, unsigned origin)
{
    char id[NAME_MAX_BYTES + 1];
    const char *slash = strchr(rest, '/');
    if (slash == NULL || !instance_valid(slash + 1) || !name_normalise(rest, (size_t)(slash - rest), id) ||
        memcmp(id, rest, (size_t)(slash - rest)) != 0)
        return;
    if (strcmp(slash + 1, s->hub->instance) != 0 && watches(s, id))
        presence_heard(s, id, slash + 1, there, origin);
    else if (!there && strcmp(id, s->hub->id) == 0)
        roll_taken_back(s);
}

void presence_settle(struct hub_shard *s)
{
    const struct directory_instance *i;
    while ((i = directory_doubtful(s->directory)) != NULL)
        presence_heard(s, i->id, i->text, false, i->origin);
}
