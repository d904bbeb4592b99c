/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of revocation share: a PKI made with the openssl program, a question asked from here, an HTTP server. */
#ifndef TESTS_REVOKE_ASKING_H
#define TESTS_REVOKE_ASKING_H

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "revoke/revoke.h"
#include "tap.h"

/* -- files ----------------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/mdm-revoke-XXXXXX";

/* A path in the folder; a few at a time. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][96];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* A line for the shell, in the folder; what it says is shown when it fails. */
static inline bool run(const char *format, ...)
{
    char line[2048], all[2400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    snprintf(all, sizeof(all), "cd %s && { %s ; } >said 2>&1", folder, line);
    bool ok = system(all) == 0;
    if (!ok)
        printf("# %s: failed\n", line);
    return ok;
}

/* The authority NAME with its number, its own by `issuer` (NULL: self-signed). Files NAME.crt, NAME.key, NAME.index. */
static inline bool authority_make(const char *name, const char *issuer)
{
    char by[128] = "";
    if (issuer != NULL)
        snprintf(by, sizeof(by), "-CA %s.crt -CAkey %s.key", issuer, issuer);
    return run("printf '[req]\\ndistinguished_name=dn\\n[dn]\\n[ca]\\ndefault_ca=d\\n[d]\\ndatabase=%s.index\\n"
               "crlnumber=%s.number\\ndefault_md=sha256\\n' >%s.cnf && echo 01 >%s.number && touch %s.index &&"
               "openssl req -config %s.cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.crt "
               "-days 30 -subj /CN=%s %s -addext basicConstraints=critical,CA:TRUE -addext subjectKeyIdentifier=hash "
               "-addext keyUsage=keyCertSign,cRLSign,digitalSignature",
               name, name, name, name, name, name, name, name, name, by);
}

/* A certificate by an authority, with an entry in its index: 'V', 'R' (revoked), or '-': none. `more`: "-addext ...". */
static inline bool certificate_make(const char *name, const char *issuer, unsigned serial, char state, const char *more)
{
    return run("openssl req -config %s.cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.crt "
               "-days 30 -subj /CN=%s -CA %s.crt -CAkey %s.key -set_serial %u %s && { test '%c' = - || "
               "printf '%c\\t401231000000Z\\t%s\\t%X\\tunknown\\t/CN=%s\\n' >>%s.index; }",
               issuer, name, name, name, issuer, issuer, serial, more, state, state,
               state == 'R' ? "250101120000Z,keyCompromise" : "", serial, name, issuer);
}

static inline X509 *certificate_read(const char *name)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.crt", name);
    FILE *f = fopen(in_folder(file), "r");
    X509 *cert = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    if (f != NULL)
        fclose(f);
    return cert;
}

/* "leaf ca": names, the authority last. */
static inline STACK_OF(X509) * chain_read(const char *names)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    char text[128], *rest = NULL;
    snprintf(text, sizeof(text), "%s", names);
    for (char *name = strtok_r(text, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest))
        sk_X509_push(chain, certificate_read(name));
    return chain;
}

/* -- asking ---------------------------------------------------------------------------------------------------------- */

static struct worker *asker;
static pthread_mutex_t answer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answer_came = PTHREAD_COND_INITIALIZER;

struct asked {
    struct revoke_question question;
    bool known, came;
};

static inline void asked_arrived(struct worker *self, struct mail *m)
{
    struct asked *a = CONTAINER_OF(CONTAINER_OF(m, struct revoke_question, mail), struct asked, question);
    (void)self;
    pthread_mutex_lock(&answer_lock);
    a->came = true;
    pthread_cond_broadcast(&answer_came);
    pthread_mutex_unlock(&answer_lock);
}

/* The asker runs to the end. */
static inline void asked_discarded(struct mail *m) { (void)m, abort(); }

static inline void ask_begin(struct revoke *r, const char *names, const void *staple, size_t staple_len, struct asked *a)
{
    STACK_OF(X509) *chain = chain_read(names);
    *a = (struct asked){.question = {.mail = {.deliver = asked_arrived, .discard = asked_discarded}, .worker = asker}};
    list_init(&a->question.mail.node);
    a->known = revoke_ask(r, chain, staple, staple_len, &a->question);
    sk_X509_pop_free(chain, X509_free);
}

static inline struct revoke_answer ask_end(struct asked *a)
{
    pthread_mutex_lock(&answer_lock);
    while (!a->known && !a->came)
        pthread_cond_wait(&answer_came, &answer_lock);
    pthread_mutex_unlock(&answer_lock);
    return a->question.answer;
}

/* Whether the last answer was there at once. */
static bool was_known;

static inline struct revoke_answer ask_with(struct revoke *r, const char *names, const void *staple, size_t staple_len)
{
    struct asked a;
    ask_begin(r, names, staple, staple_len, &a);
    was_known = a.known;
    return ask_end(&a);
}

static inline struct revoke_answer ask_about(struct revoke *r, const char *names) { return ask_with(r, names, NULL, 0); }

static inline struct revoke *checker(const struct revoke_config *config)
{
    char error[512];
    struct revoke *r = revoke_create(config, error);
    if (r == NULL)
        printf("# %s\n", error);
    return r;
}

/* Asks a checker of its own: nothing is known before. */
static inline struct revoke_answer ask_once(const struct revoke_config *config, const char *names)
{
    struct revoke *r = checker(config);
    struct revoke_answer a = {.status = REVOKE_ERROR};
    if (r != NULL)
        a = ask_about(r, names);
    revoke_free(&r);
    return a;
}

#define OK_SAYS(answer, want_status, part)                                                 \
    do {                                                                                   \
        struct revoke_answer got_answer = (answer);                                        \
        OK_INT(got_answer.status, want_status);                                            \
        if (!OK(strstr(got_answer.why, part) != NULL))                                     \
            printf("#   got '%s', want '%s' in it\n", got_answer.why, part);               \
    } while (0)

/* -- a server that says what it is told to ------------------------------------------------------------------------------ */

struct web {
    int fd;
    char url[64];
    pthread_t thread;
    atomic_uint status, gets, posts;
    atomic_bool endless, silent, refuses_get;
    pthread_mutex_t lock; /* of all below */
    uint8_t body[8192];
    size_t len;
};

static inline void web_answer(struct web *w, int fd, bool is_post)
{
    char head[256];
    pthread_mutex_lock(&w->lock);
    atomic_fetch_add(is_post ? &w->posts : &w->gets, 1);
    unsigned status = w->refuses_get && !is_post ? 405 : w->status;
    bool endless = w->endless;
    int len = snprintf(head, sizeof(head), "HTTP/1.1 %u Said\r\nConnection: close\r\n\r\n", status);
    ssize_t sent = w->silent ? 0 : send(fd, head, (size_t)len, MSG_NOSIGNAL);
    if (!w->silent && sent == len)
        sent = send(fd, w->body, w->len, MSG_NOSIGNAL);
    bool silent = w->silent;
    pthread_mutex_unlock(&w->lock);
    while (endless && sent >= 0)
        sent = send(fd, w->body, sizeof(w->body), MSG_NOSIGNAL);
    if (silent) /* until the other end has had enough */
        while (read(fd, head, sizeof(head)) > 0)
            continue;
}

/* Requests of a question come in one piece, or their bodies in the next. */
static inline void *web_run(void *ctx)
{
    struct web *w = ctx;
    char request[4096];
    for (int fd; (fd = accept(w->fd, NULL, NULL)) >= 0; close(fd)) {
        size_t have = 0, want = SIZE_MAX;
        ssize_t got = 0;
        while (have < want && have < sizeof(request) - 1 && (got = read(fd, request + have, sizeof(request) - 1 - have)) > 0) {
            have += (size_t)got;
            request[have] = '\0';
            const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "\r\ncontent-length:");
            if (end != NULL)
                want = (size_t)(end + 4 - request) + (length != NULL ? strtoul(length + 17, NULL, 10) : 0);
        }
        if (have > 0)
            web_answer(w, fd, strncmp(request, "POST", 4) == 0);
    }
    return NULL;
}

static inline bool web_begin(struct web *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    *w = (struct web){.status = 200};
    pthread_mutex_init(&w->lock, NULL);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = bind(w->fd, (struct sockaddr *)&a, len) == 0 && listen(w->fd, 16) == 0 &&
              getsockname(w->fd, (struct sockaddr *)&a, &len) == 0;
    snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/list", ntohs(a.sin_port));
    return ok && pthread_create(&w->thread, NULL, web_run, w) == 0;
}

static inline void web_end(struct web *w)
{
    shutdown(w->fd, SHUT_RDWR);
    pthread_join(w->thread, NULL);
    close(w->fd);
    pthread_mutex_destroy(&w->lock);
}

static inline void web_says(struct web *w, const void *bytes, size_t len)
{
    pthread_mutex_lock(&w->lock);
    w->len = len < sizeof(w->body) ? len : sizeof(w->body);
    memcpy(w->body, bytes, w->len);
    pthread_mutex_unlock(&w->lock);
}

static inline bool web_says_file(struct web *w, const char *name)
{
    uint8_t bytes[sizeof(w->body)];
    FILE *f = fopen(in_folder(name), "r");
    size_t len = f != NULL ? fread(bytes, 1, sizeof(bytes), f) : 0;
    if (f != NULL)
        fclose(f);
    web_says(w, bytes, len);
    return len > 0;
}

/* -- life ------------------------------------------------------------------------------------------------------------ */

static inline bool asking_begin(void)
{
    unsetenv("http_proxy");
    if (mkdtemp(folder) == NULL)
        return false;
    asker = worker_create("asker", 0);
    return asker != NULL && worker_start(asker) == 0;
}

static inline void asking_end(void)
{
    char line[64];
    worker_free(&asker);
    snprintf(line, sizeof(line), "rm -r %s", folder);
    OK_INT(system(line), 0);
}

#endif
