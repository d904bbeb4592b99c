/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts of OpenSSL, one a certificate, and the choice between them. */
#include "tls/set.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "tls/internal.h"

#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

/* -- names --------------------------------------------------------------------------------------------------------- */

bool tls_set_add_name(struct tls_set *s, const char *text, size_t len, bool valid, unsigned pair)
{
    bool wildcard = len > 2 && memcmp(text, "*.", 2) == 0;
    text += wildcard ? 2 : 0;
    len -= wildcard ? 2 : 0;
    if (len > 0 && text[len - 1] == '.')
        len--;
    if (len == 0 || len > TLS_NAME_BYTES || memchr(text, '\0', len) != NULL)
        return true; /* no name that anybody can ask for */
    if (s->name_count == TLS_NAMES_MAX)
        return false;
    if (s->name_count == s->name_capacity) {
        size_t capacity = s->name_capacity == 0 ? 8 : s->name_capacity * 2;
        struct tls_name *larger = realloc(s->names, capacity * sizeof(*larger));
        if (larger == NULL)
            return false;
        s->names = larger;
        s->name_capacity = capacity;
    }
    char *copy = strndup(text, len);
    if (copy == NULL)
        return false;
    for (char *c = copy; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    s->names[s->name_count++] = (struct tls_name){copy, wildcard, valid, pair};
    return true;
}

static int name_order(const void *a, const void *b)
{
    const struct tls_name *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    if (order == 0)
        order = x->wildcard - y->wildcard;
    if (order == 0)
        order = y->valid - x->valid;
    return order != 0 ? order : (int)x->pair - (int)y->pair;
}

/* The first of the names that are this one; NULL when there is none. */
static const struct tls_name *name_find(const struct tls_set *s, const char *text, bool wildcard)
{
    size_t low = 0, high = s->name_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(s->names[middle].text, text);
        if (order == 0)
            order = s->names[middle].wildcard - wildcard;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct tls_name *n = low < s->name_count ? &s->names[low] : NULL;
    return n != NULL && n->wildcard == wildcard && strcmp(n->text, text) == 0 ? n : NULL;
}

unsigned tls_set_choose(const struct tls_set *s, const char *name)
{
    char text[TLS_NAME_BYTES + 1];
    size_t len = strlen(name);
    CHECK_OBJECT(s, TLS_SET_MAGIC);
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > TLS_NAME_BYTES)
        return 0;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    text[len] = '\0';
    const struct tls_name *found = name_find(s, text, false);
    const char *dot = strchr(text, '.');
    if (found == NULL && dot != NULL && dot > text) /* a wildcard stands for one whole label */
        found = name_find(s, dot + 1, true);
    return found != NULL ? found->pair : 0;
}

static int server_name_asked(SSL *tls, int *alert, void *ctx)
{
    const struct tls_set *s = sock_set_of(tls);
    const char *name = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);
    (void)alert, (void)ctx;
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned index = tls_set_choose(s, name);
    if (index > 0)
        SSL_set_SSL_CTX(tls, s->contexts[index]);
    return SSL_TLSEXT_ERR_OK;
}

/* -- contexts ------------------------------------------------------------------------------------------------------ */

static bool context_configure(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_read_ahead(c, 1);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* tickets do */
    SSL_CTX_set_timeout(c, TLS_SESSION_S);
    SSL_CTX_set_max_cert_list(c, TLS_CLIENT_CHAIN_BYTES_MAX);
    SSL_CTX_set_tlsext_servername_callback(c, server_name_asked);
    SSL_CTX_set_alpn_select_cb(c, sock_choose_protocol, NULL);
    tickets_use(c);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(c, CIPHERS_1_2) == 1 &&
           SSL_CTX_set_ciphersuites(c, CIPHERS_1_3) == 1 && SSL_CTX_set1_groups_list(c, GROUPS) == 1;
}

/* Sessions are not taken up again where other authorities hold. */
static bool session_id_context(SSL_CTX *c, const struct tls_config *config, X509_STORE *authorities)
{
    unsigned char digest[EVP_MAX_MD_SIZE], one[EVP_MAX_MD_SIZE], kind = (unsigned char)config->clients;
    unsigned len = 0, one_len;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(md, &kind, 1) == 1;
    STACK_OF(X509) *all = authorities == NULL ? NULL : X509_STORE_get1_all_certs(authorities);
    for (int i = 0; ok && i < sk_X509_num(all); i++)
        ok = X509_digest(sk_X509_value(all, i), EVP_sha256(), one, &one_len) == 1 &&
             EVP_DigestUpdate(md, one, one_len) == 1;
    ok = ok && EVP_DigestFinal_ex(md, digest, &len) == 1 && SSL_CTX_set_session_id_context(c, digest, len) == 1;
    sk_X509_pop_free(all, X509_free);
    EVP_MD_CTX_free(md);
    return ok;
}

static bool clients_configure(SSL_CTX *c, const struct tls_config *config, struct tls_report *report)
{
    char why[128];
    if (config->clients != TLS_CLIENTS_ANY) {
        FILE *f = fopen(config->client_ca_file, "re");
        if (f == NULL) {
            tls_refuse(report, "%s: %m", config->client_ca_file);
            return false;
        }
        fclose(f);
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(config->client_ca_file);
        if (names == NULL || SSL_CTX_load_verify_file(c, config->client_ca_file) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            tls_refuse(report, "%s: holds no certificate that can be read", config->client_ca_file);
            return false;
        }
        SSL_CTX_set_client_CA_list(c, names);
        SSL_CTX_set_verify(
            c, SSL_VERIFY_PEER | (config->clients == TLS_CLIENTS_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    }
    if (session_id_context(c, config, config->clients != TLS_CLIENTS_ANY ? SSL_CTX_get_cert_store(c) : NULL))
        return true;
    tls_refuse(report, "TLS: %s", tls_reason(why, sizeof(why)));
    return false;
}

static bool pair_load(struct tls_set *s, const struct tls_config *config, unsigned index, struct tls_report *report)
{
    char why[128];
    SSL_CTX *c = certificate_load(s, index, &config->pairs[index], report);
    if (c == NULL)
        return false;
    s->contexts[s->count++] = c;
    if (!context_configure(c)) {
        tls_refuse(report, "TLS: %s", tls_reason(why, sizeof(why)));
        return false;
    }
    return clients_configure(c, config, report);
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

struct tls_set *tls_set_load(const struct tls_config *config, const struct tls_tickets *tickets,
                             struct tls_report *report)
{
    struct tls_set *s;
    assert(config->pair_count > 0 && config->pair_count <= TLS_PAIRS_MAX);
    report->error[0] = report->warning[0] = '\0';
    ALLOC_OBJECT(s, TLS_SET_MAGIC);
    if (s == NULL) {
        tls_refuse(report, "TLS: out of memory");
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->tickets = *tickets;
    bool ok = true;
    for (unsigned i = 0; ok && i < config->pair_count; i++)
        ok = pair_load(s, config, i, report);
    if (!ok) {
        tls_set_unref(s);
        return NULL;
    }
    if (s->name_count > 0)
        qsort(s->names, s->name_count, sizeof(*s->names), name_order);
    return s;
}

struct tls_set *tls_set_ref(struct tls_set *s)
{
    CHECK_OBJECT(s, TLS_SET_MAGIC);
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void tls_set_unref(struct tls_set *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    CHECK_OBJECT(s, TLS_SET_MAGIC);
    for (unsigned i = 0; i < s->count; i++)
        SSL_CTX_free(s->contexts[i]);
    for (size_t i = 0; i < s->name_count; i++)
        free(s->names[i].text);
    free(s->names);
    OPENSSL_cleanse(&s->tickets, sizeof(s->tickets));
    FREE_OBJECT(s);
}
