/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about certificates, and how long it holds. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/object.h"
#include "revoke/internal.h"

struct record {
    struct table_node by_key;
    struct list node;
    uint8_t key[RECORD_KEY_BYTES];
    enum revoke_status status;
    time_t until;
    char why[]; /* NUL-terminated */
};

static void record_remove(struct record_set *k, struct record *one)
{
    table_remove(&k->table, &one->by_key);
    list_remove(&one->node);
    k->count--;
    free(one);
}

static struct record *record_get(struct record_set *k, const uint8_t key[static RECORD_KEY_BYTES])
{
    uint64_t hash = table_hash(k->key, key, RECORD_KEY_BYTES);
    for (struct table_node *n = table_first(&k->table, hash); n != NULL; n = table_next(n)) {
        struct record *one = CONTAINER_OF(n, struct record, by_key);
        if (memcmp(one->key, key, RECORD_KEY_BYTES) == 0)
            return one;
    }
    return NULL;
}

bool record_key(X509 *cert, X509 *issuer, unsigned methods, uint8_t key[static RECORD_KEY_BYTES])
{
    uint8_t about[EVP_MAX_MD_SIZE + 64], kind = (uint8_t)methods;
    unsigned len = 0, key_len = RECORD_KEY_BYTES;
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    int serial_len = ASN1_STRING_length(serial);
    if (serial_len < 0 || serial_len > 60 || X509_digest(issuer, EVP_sha256(), about, &len) != 1)
        return false;
    about[len++] = kind;
    about[len++] = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
    memcpy(about + len, ASN1_STRING_get0_data(serial), (size_t)serial_len);
    return EVP_Digest(about, len + (size_t)serial_len, key, &key_len, EVP_sha256(), NULL) == 1;
}

bool record_find(struct record_set *k, const uint8_t key[static RECORD_KEY_BYTES], struct finding *out)
{
    struct record *one = record_get(k, key);
    if (one != NULL && one->until <= time(NULL)) {
        record_remove(k, one);
        one = NULL;
    }
    if (one != NULL)
        finding_set(out, one->status, one->until, "%s", one->why);
    return one != NULL;
}

void record_add(struct record_set *k, const uint8_t key[static RECORD_KEY_BYTES], const struct finding *f)
{
    if (f->status == REVOKE_ERROR || f->until <= time(NULL))
        return;
    struct record *former = record_get(k, key);
    if (former != NULL)
        record_remove(k, former);
    if (k->count == REVOKE_KNOWN_MAX)
        record_remove(k, CONTAINER_OF(k->all.next, struct record, node));
    size_t why_size = strlen(f->why) + 1;
    struct record *one = malloc(sizeof(*one) + why_size);
    if (one == NULL)
        return;
    memcpy(one->key, key, RECORD_KEY_BYTES);
    memcpy(one->why, f->why, why_size);
    one->status = f->status;
    one->until = f->until;
    table_add(&k->table, &one->by_key, table_hash(k->key, key, RECORD_KEY_BYTES));
    list_append(&k->all, &one->node);
    k->count++;
}

void record_forget(struct record_set *k)
{
    LIST_FOREACH_SAFE(n, next, &k->all)
        record_remove(k, CONTAINER_OF(n, struct record, node));
}

bool record_init(struct record_set *k)
{
    list_init(&k->all);
    return getrandom(k->key, sizeof(k->key), 0) == sizeof(k->key) && table_init(&k->table);
}

void record_done(struct record_set *k)
{
    record_forget(k);
    table_done(&k->table);
}
