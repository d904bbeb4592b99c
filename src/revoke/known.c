/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about certificates, and how long it holds. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/object.h"
#include "revoke/internal.h"

struct known {
    struct table_node by_key;
    struct list node;
    uint8_t key[KNOWN_KEY_BYTES];
    enum revoke_status status;
    time_t until;
    char why[]; /* NUL-terminated */
};

static void known_remove(struct known_set *k, struct known *one)
{
    table_remove(&k->table, &one->by_key);
    list_remove(&one->node);
    k->count--;
    free(one);
}

static struct known *known_get(struct known_set *k, const uint8_t key[static KNOWN_KEY_BYTES])
{
    uint64_t hash = table_hash(k->key, key, KNOWN_KEY_BYTES);
    for (struct table_node *n = table_first(&k->table, hash); n != NULL; n = table_next(n)) {
        struct known *one = CONTAINER_OF(n, struct known, by_key);
        if (memcmp(one->key, key, KNOWN_KEY_BYTES) == 0)
            return one;
    }
    return NULL;
}

bool known_key(X509 *cert, X509 *issuer, unsigned methods, uint8_t key[static KNOWN_KEY_BYTES])
{
    uint8_t about[EVP_MAX_MD_SIZE + 64], kind = (uint8_t)methods;
    unsigned len = 0, key_len = KNOWN_KEY_BYTES;
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    int serial_len = ASN1_STRING_length(serial);
    if (serial_len < 0 || serial_len > 60 || X509_digest(issuer, EVP_sha256(), about, &len) != 1)
        return false;
    about[len++] = kind;
    about[len++] = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
    memcpy(about + len, ASN1_STRING_get0_data(serial), (size_t)serial_len);
    return EVP_Digest(about, len + (size_t)serial_len, key, &key_len, EVP_sha256(), NULL) == 1;
}

bool known_find(struct known_set *k, const uint8_t key[static KNOWN_KEY_BYTES], struct finding *out)
{
    struct known *one = known_get(k, key);
    if (one != NULL && one->until <= time(NULL)) {
        known_remove(k, one);
        one = NULL;
    }
    if (one != NULL)
        finding_set(out, one->status, one->until, "%s", one->why);
    return one != NULL;
}

void known_add(struct known_set *k, const uint8_t key[static KNOWN_KEY_BYTES], const struct finding *f)
{
    if (f->status == REVOKE_ERROR || f->until <= time(NULL))
        return;
    struct known *former = known_get(k, key);
    if (former != NULL)
        known_remove(k, former);
    if (k->count == REVOKE_KNOWN_MAX)
        known_remove(k, CONTAINER_OF(k->all.next, struct known, node));
    size_t why_size = strlen(f->why) + 1;
    struct known *one = malloc(sizeof(*one) + why_size);
    if (one == NULL)
        return;
    memcpy(one->key, key, KNOWN_KEY_BYTES);
    memcpy(one->why, f->why, why_size);
    one->status = f->status;
    one->until = f->until;
    table_add(&k->table, &one->by_key, table_hash(k->key, key, KNOWN_KEY_BYTES));
    list_append(&k->all, &one->node);
    k->count++;
}

void known_forget(struct known_set *k)
{
    LIST_FOREACH_SAFE(n, next, &k->all)
        known_remove(k, CONTAINER_OF(n, struct known, node));
}

bool known_init(struct known_set *k)
{
    list_init(&k->all);
    return getrandom(k->key, sizeof(k->key), 0) == sizeof(k->key) && table_init(&k->table);
}

void known_done(struct known_set *k)
{
    known_forget(k);
    table_done(&k->table);
}
