/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a program proves who it is and whom it believes, beyond the key that it makes itself: rows for tables of settings,
 * and what the files say, read once at the start.
 */
#ifndef CONFIG_CREDENTIALS_H
#define CONFIG_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/psk.h"
#include "config/settings.h"
#include "config/state.h"

struct credential_settings {
    char *ca, *identity, *identity_key, *psk_file;
    bool crypt_key; /* not a row: the program takes CRYPT_KEY from the environment, too */
};

/*
 * A secret that all devices and workstations of gotthard's users have in their environment. Here its bytes are a
 * pre-shared key of this name, for any id. What stands beside it as CRYPT_IV has no use: TLS makes its own.
 */
#define CRYPT_KEY_VARIABLE "CRYPT_KEY"
#define CRYPT_IV_VARIABLE  "CRYPT_IV"
#define CRYPT_KEY_NAME     "crypt-key"

/* Variables that stand for a psk-file; the second for programs with `crypt_key`. */
#define PSK_VARIABLE            "MDM_TUNNEL_PSK"
#define PSK_OR_CRYPT_VARIABLES  PSK_VARIABLE " " CRYPT_KEY_VARIABLE

/* Rows for `member`, a struct credential_settings in the program's `type`; `variables`: PSK_VARIABLE, or both. */
#define CREDENTIAL_SETTINGS(type, member, variables)                                                                              \
    {.name = "ca", .kind = SETTING_PATH, .offset = offsetof(type, member.ca), .argument = "FILE",                      \
     .help = "believe certificates of these authorities, instead of keys that are known"},                             \
    {.name = "identity", .kind = SETTING_PATH, .offset = offsetof(type, member.identity), .argument = "FILE",          \
     .help = "certificate (and chain) to show, instead of a key of our own"},                                          \
    {.name = "identity-key", .kind = SETTING_PATH, .offset = offsetof(type, member.identity_key), .argument = "FILE",  \
     .help = "its private key (default: in the same file)"},                                                           \
    {.name = "psk-file", .kind = SETTING_PATH, .offset = offsetof(type, member.psk_file), .argument = "FILE",          \
     .instead = (variables), .help = "pre-shared keys, NAME KEY [PATTERN] a line (or $MDM_TUNNEL_PSK)"}

struct credentials {
    char *pem;         /* private key, certificate, chain */
    char *authorities; /* NULL: none */
    struct psk *psks;
    size_t psk_count;
    bool from_crypt_key, crypt_iv; /* for a word about it: the key is gotthard's; there was an IV */
};

/* Whether any of it is set, the environment's part included; and whether it fits together. False and *err. */
bool credential_settings_any(const struct credential_settings *c);
bool credential_settings_check(const struct credential_settings *c, struct config_error *err);
/*
 * Reads it all; without `identity` the key is `key_file` in the state directory, made when it is missing. Secrets that
 * everybody on the machine could read are refused. What stood in the environment is wiped there. 0, or -1 and *err.
 */
int credentials_load(struct state *s, const char *key_file, const struct credential_settings *settings,
                     struct credentials *out, struct config_error *err);
/* Clears the secrets. */
void credentials_done(struct credentials *c);

#endif
