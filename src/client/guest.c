/* SPDX-License-Identifier: Apache-2.0 */
/* What is common to the kinds that only workstations open. */
#include "client/guest.h"

#include <stdio.h>

#include "base/log.h"

bool guest_open(struct client_shard *shard, struct conduit *c, const struct open_head *head)
{
    if (head->kind == STREAM_KIND_UDP)
        guest_udp(shard, c, head);
    else if (head->kind == STREAM_KIND_LISTEN)
        guest_listen(shard, c, head);
    else if (head->kind == STREAM_KIND_CONTROL)
        guest_control(shard, c, head);
    else
        return false;
    return true;
}

void guest_refuse(struct client_shard *shard, struct conduit **c, const struct tunnel_start *start, const struct error *error,
                  const char *why)
{
    char subject[360];
    snprintf(subject, sizeof(subject), "%s/%s#%u", shard->id, start->what, conduit_number(*c));
    log_info(subject, "%s%s%s", error->text, why[0] != '\0' ? ": " : "", why);
    tunnel_refused(shard->ledger, start, why[0] != '\0' ? why : error->text);
    conduit_refuse(c, error);
}

void guest_say(const struct client_shard *shard, const struct tunnel *t, unsigned number, const char *text, const char *detail)
{
    char subject[360];
    if (!log_wanted(LOG_LEVEL_INFO))
        return;
    snprintf(subject, sizeof(subject), "%s/%s#%u", shard->id, t->what, number);
    log_info(subject, "%s %s by %s%s%s", t->kind, text, t->who.name, detail[0] != '\0' ? ": " : "", detail);
}
