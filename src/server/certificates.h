/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of the settings, with their news in the log. */
#ifndef SERVER_CERTIFICATES_H
#define SERVER_CERTIFICATES_H

#include "server/server_settings.h"
#include "tls/store.h"

/* `clients`: what those who come have to show, for the authorities of client-ca. Before the workers start. NULL without certificates in the settings, or (true in *failed) with *err. */
struct tls_store *certificates_create(const struct server_settings *settings, enum tls_clients clients,
                                      struct worker *const *workers, unsigned count, bool *failed,
                                      struct config_error *err);

#endif
