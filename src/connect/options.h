/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line of mdm-tunnel-connect says (mdm-tunnel-connect(1)). */
#ifndef CONNECT_OPTIONS_H
#define CONNECT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/credentials.h"
#include "config/log_settings.h"
#include "config/settings.h"
#include "relay/way_settings.h"

struct options {
    struct way_settings way;
    char *listen, *remote, *forwards, *datagrams, *backs;
    bool stdio;
    uint64_t timeout_us, linger_us;
    char *device_keys; /* fingerprints; NULL: as known_devices says */
    struct credential_settings credentials;
    char *state_dir;
    unsigned workers;
    bool public;
    char *period; /* of public */
    bool fingerprint, list, status, disconnect;
    bool quiet;
    struct log_settings log;
    char *settings_file;
};

extern const struct settings_table options_table;

#endif
