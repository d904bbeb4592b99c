/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from options. */
#include "client/keys.h"

#include <stdlib.h>
#include <string.h>

#include "config/state.h"

static const struct trust_kind server_trust = {
    .key_file = "client-key.pem",
    .known_file = "known_servers",
    .whose = "server",
    .option = "--server-key",
    .name_hint = " (--server-name gives another name)",
    .wrong = &error_server_key_unknown,
};

struct trust *keys_trust(const struct options *o, struct config_error *err)
{
    const struct trust_config config = {
        .kind = &server_trust, .state_dir = o->state_dir, .keys = o->server_keys, .credentials = &o->credentials};
    return trust_create(&config, err);
}

void keys_done(struct keys *k)
{
    gate_free(&k->gate);
    audit_free(&k->audit);
    trust_free(&k->trust);
    free(k->address);
}

/* Where nobody can be let in there is nothing to write. */
static bool audit_make(const struct options *o, struct keys *k, struct config_error *err)
{
    struct state *state = NULL;
    if (o->audit != NULL && strcmp(o->audit, AUDIT_NONE) == 0)
        return true;
    if (state_open(o->state_dir, &state, err) != 0)
        return false;
    k->audit = audit_create(o->audit, state, err);
    state_free(&state);
    return k->audit != NULL;
}

bool keys_make(const struct options *o, struct keys *k, struct config_error *err)
{
    const struct way way = way_settings_way(&o->way);
    const struct gate_settings lists = {.allow_ports = o->allow_ports, .allow_listen = o->allow_listen};
    *k = (struct keys){.address = trust_address(way_host(&way), way_port(&way))};
    if (k->address == NULL) {
        config_error_set(err, "out of memory");
        return false;
    }
    if (o->no_encryption)
        return true;
    k->trust = keys_trust(o, err);
    if (k->trust != NULL)
        k->gate = gate_create(o->state_dir, &lists, err);
    bool made = k->gate != NULL && audit_make(o, k, err);
    if (!made)
        keys_done(k);
    return made;
}
