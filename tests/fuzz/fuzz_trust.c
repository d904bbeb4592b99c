/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authorized_clients, authorized_peers, known_servers, lists of ports and files of pre-shared keys. What parses also parses
 * after each edit, and the edit does what it says. Input: the file.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/authorized_clients.h"
#include "config/authorized_peers.h"
#include "config/known_servers.h"
#include "config/port_list.h"
#include "config/psk_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fingerprint key = {{1, 2, 3}}, other = {{4}};

static enum authorized_answer ask(const char *text, const char *id)
{
    struct authorized_clients a;
    struct config_error err;
    int result = authorized_clients_parse(text, &a, &err);
    assert(result == 0);
    enum authorized_answer answer = authorized_clients_find(&a, id, &key, 0);
    authorized_clients_done(&a);
    return answer;
}

static void edits(const char *text, const char *id)
{
    char *allowed = authorized_clients_edit(text, AUTHORIZED_ALLOW, id, &key, NULL);
    char *denied = authorized_clients_edit(allowed, AUTHORIZED_DENY, id, NULL, NULL);
    char *forgotten = authorized_clients_edit(denied, AUTHORIZED_FORGET, id, NULL, NULL);
    char *again = authorized_clients_edit(forgotten, AUTHORIZED_FORGET, id, NULL, NULL);
    enum authorized_answer answer = ask(allowed, id);
    assert(answer == AUTHORIZED_YES || answer == AUTHORIZED_NOBODY); /* a pattern's "none" counts more */
    assert(ask(denied, id) == AUTHORIZED_NOBODY);
    ask(forgotten, id);
    assert(strcmp(forgotten, again) == 0);
    free(allowed);
    free(denied);
    free(forgotten);
    free(again);
}

static void authorized(const char *text)
{
    struct authorized_clients a;
    struct config_error err;
    if (authorized_clients_parse(text, &a, &err) != 0)
        return;
    assert(a.ids <= a.count && a.count <= AUTHORIZED_CLIENTS_MAX);
    for (size_t i = 1; i < a.ids; i++)
        assert(strcmp(a.list[i - 1].pattern, a.list[i].pattern) <= 0);
    for (size_t i = 0; i < a.ids && i < 16; i++)
        assert(a.list[i].any || authorized_clients_find(&a, a.list[i].pattern, &other, 0) != AUTHORIZED_UNKNOWN);
    authorized_clients_done(&a);
    edits(text, "tim");
}

static void known(const char *text)
{
    enum known_servers_answer answer;
    struct config_error err;
    unsigned line;
    if (known_servers_find(text, "example.com:8001", &key, &answer, &line, &err) != 0 || answer != KNOWN_SERVERS_NEW)
        return;
    char *more = known_servers_add(text, "example.com:8001", &key);
    int result = known_servers_find(more, "example.com:8001", &key, &answer, &line, &err);
    assert(result == 0 && answer == KNOWN_SERVERS_SAME);
    free(more);
}

static void pre_shared(const char *text)
{
    struct config_error err;
    struct psk *psks;
    size_t count;
    if (psks_parse(text, &psks, &count, &err) != 0)
        return;
    assert(count > 0 && count <= PSKS_MAX);
    for (size_t i = 0; i < count; i++)
        assert(psks[i].len >= PSK_BYTES_MIN && psks[i].len <= PSK_BYTES_MAX && psks[i].name[0] != '\0' &&
               psks[i].pattern[0] != '\0');
    psks_free(psks, count);
}

static void peers(const char *text)
{
    const struct peer_wish in = {.kind = PEER_WISH_IN}, port = {PEER_WISH_PORT, .host = "localhost", .port = 22};
    const struct peer_wish ssh = {PEER_WISH_SERVICE, .service = "ssh"};
    const struct authorized_peer *line;
    struct authorized_peers a;
    struct config_error err;
    if (authorized_peers_parse(text, &a, &err) != 0)
        return;
    assert(a.count <= AUTHORIZED_PEERS_MAX);
    for (size_t i = 0; i < a.count && i < 16; i++) {
        assert(authorized_peers_ask(&a, &a.list[i].key, 0, &in, &line) == PEER_YES || a.list[i].expires <= 0);
        authorized_peers_ask(&a, &a.list[i].key, 0, &port, &line);
        authorized_peers_ask(&a, &a.list[i].key, 0, &ssh, &line);
    }
    authorized_peers_done(&a);
}

static void ports(const char *text)
{
    struct config_error err;
    size_t len = strlen(text);
    if (port_list_check(text, len, &err) == 0)
        port_list_has(text, len, "localhost", 22, PORT_TCP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memchr(data, 0, size) != NULL)
        return 0;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    authorized(text);
    known(text);
    pre_shared(text);
    peers(text);
    ports(text);
    free(text);
    return 0;
}
