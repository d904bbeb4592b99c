/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of mdm-tunnel-connect. */
#include "connect/options.h"

#include <stddef.h>

#include "mdm-tunnel/limits.h"

#define AT(member) offsetof(struct options, member)

static const struct setting rows[] = {
    {.name = "host", .letter = 'H', .kind = SETTING_TEXT, .offset = AT(way.host), .default_text = "localhost",
     .argument = "HOST", .help = "the server, where device and workstation meet"},
    {.name = "port", .letter = 'p', .kind = SETTING_PORT, .offset = AT(way.port), .default_text = "8001",
     .argument = "PORT", .help = "the server's MQTT port"},
    {.name = "listen", .letter = 'l', .kind = SETTING_TEXT, .offset = AT(listen), .argument = "[ADDRESS:]PORT",
     .help = "local port (default: a free one at 127.0.0.1)"},
    {.name = "remote", .letter = 'r', .kind = SETTING_TEXT, .offset = AT(remote), .argument = "[HOST:]PORT",
     .help = "a port that the device reaches, instead of a service; the device has to allow it"},
    {.name = "forward", .letter = 'L', .kind = SETTING_LIST, .offset = AT(forwards),
     .argument = "LPORT:[HOST:]RPORT", .help = "both in one; may be said again"},
    {.name = "udp", .letter = 'U', .kind = SETTING_LIST, .offset = AT(datagrams),
     .argument = "LPORT:[HOST:]RPORT", .help = "the same for datagrams; may be said again"},
    {.name = "back", .letter = 'R', .kind = SETTING_LIST, .offset = AT(backs),
     .argument = "RPORT:[HOST:]LPORT", .help = "from a port of the device to one here; the device has to allow it; may be said again"},
    {.name = "stdio", .letter = 'W', .kind = SETTING_FLAG, .offset = AT(stdio),
     .help = "standard input and output instead of a local port (ssh's ProxyCommand)"},
    {.name = "public", .kind = SETTING_FLAG, .offset = AT(public),
     .help = "have the services reached by everybody at a TCP port of the server, and end; the device has to allow it"},
    {.name = "for", .kind = SETTING_TEXT, .offset = AT(period), .default_text = "1h", .argument = "TIME",
     .help = "how long they are public: 90s, 30m, 1h, 2d; 0: take that back"},
    {.name = "timeout", .kind = SETTING_SECONDS, .offset = AT(timeout_us), .min = 1, .max = 3600, .default_text = "5",
     .argument = "SECONDS", .help = "how long a device may take to answer at first"},
    WAY_GRACE_SETTING(AT(way.grace_us)),
    {.name = "linger", .kind = SETTING_SECONDS, .offset = AT(linger_us), .min = 0, .max = 86400, .default_text = "60",
     .argument = "SECONDS", .help = "the session with a device ends after so long without a tunnel; 0: never"},
    {.name = "device-key", .kind = SETTING_TEXT, .offset = AT(device_keys), .argument = "KEY[,KEY...]",
     .help = "fingerprints that devices' keys may have (default: known_devices, or the first one seen)"},
    CREDENTIAL_SETTINGS(struct options, credentials, PSK_OR_CRYPT_VARIABLES),
    {.name = "state-dir", .kind = SETTING_PATH, .offset = AT(state_dir), .argument = "DIR",
     .help = "where this workstation's key and the devices' keys are kept"},
    {.name = "workers", .kind = SETTING_NUMBER, .offset = AT(workers), .min = 1, .max = WORKERS_MAX,
     .default_text = "1", .argument = "N", .help = "threads"},
    BROKER_SETTINGS(struct options, way.broker),
    MQTUNNEL_SETTINGS(struct options, way.broker),
    {.name = "settings", .kind = SETTING_FILE, .offset = AT(settings_file), .argument = "FILE",
     .help = "settings file (JSON), read before the command line is applied"},
    {.name = "list", .kind = SETTING_FLAG, .offset = AT(list),
     .help = "print who is there and what they offer: the devices named, or all (on a server's broker: all known ones)"},
    {.name = "status", .kind = SETTING_FLAG, .offset = AT(status),
     .help = "print which tunnels lead to the devices: this key's, or all where the device allows that"},
    {.name = "disconnect", .kind = SETTING_FLAG, .offset = AT(disconnect),
     .help = "end them, wherever they come from"},
    {.name = "fingerprint", .kind = SETTING_FLAG, .offset = AT(fingerprint),
     .help = "print the fingerprint of this workstation's key, for the device's authorized_peers"},
    {.name = "quiet", .letter = 'q', .kind = SETTING_FLAG, .offset = AT(quiet), .help = "say only what ends the program"},
    LOG_SETTINGS(struct options, log, false),
    {.name = "version", .letter = 'V', .kind = SETTING_VERSION, .help = "print the version"},
    {.name = "help", .letter = 'h', .kind = SETTING_HELP, .help = "print this"},
    {.name = NULL},
};

const struct settings_table options_table = {
    .program = "mdm-tunnel-connect",
    .usage = "[options] DEVICE[/SERVICE] ...",
    .summary = "Opens services of a device (an mdm-tunnel-client somewhere) on local ports, encrypted from end to end.\n"
               "Without SERVICE: the device's ssh, or its only one.",
    .rows = rows,
    .positionals = true,
};
