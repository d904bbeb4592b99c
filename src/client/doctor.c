/* SPDX-License-Identifier: Apache-2.0 */
/* What can be looked at from here: settings, local services, the way to the broker. */
#include "client/doctor.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "base/text_line.h"
#include "config/state.h"
#include "files/files.h"
#include "link/socket.h"

#define SERVICE_WAIT_MS 2000
#define REPORT_TEXT_MAX 1024

/* -- the report ---------------------------------------------------------------------------------------------------- */

static const char *const findings[] = {[LINK_GOOD] = "ok", [LINK_DOUBTFUL] = "warning", [LINK_BAD] = "failed"};

static void json_print(const char *what, enum link_finding finding, const char *text, const char *deed)
{
    struct text out;
    text_init(&out, CONTROL_TEXT_MAX);
    text_format(&out, "{\"check\":\"%s\",\"result\":\"%s\",\"text\":\"", what, findings[finding]);
    text_add_json_bytes(&out, text, strlen(text));
    text_format(&out, "\",\"do\":\"");
    text_add_json_bytes(&out, deed, strlen(deed));
    text_format(&out, "\"}");
    if (!out.failed)
        puts(out.at);
    text_done(&out);
}

void report_line(void *report, const char *what, enum link_finding finding, const char *text, const char *deed)
{
    struct report *r = report;
    char bytes[REPORT_TEXT_MAX];
    struct text_line line;
    r->bad += finding == LINK_BAD;
    if (r->json) {
        json_print(what, finding, text, deed);
    } else {
        text_line_init(&line, bytes, sizeof(bytes));
        text_line_clean(&line, text, strlen(text));
        printf("%-8s%s: %.*s%s%s\n", findings[finding], what, (int)line.len, bytes, deed[0] != '\0' ? ". " : "", deed);
    }
    fflush(stdout);
}

void report_format(struct report *r, const char *what, enum link_finding finding, const char *deed, const char *format, ...)
{
    char text[REPORT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report_line(r, what, finding, text, deed);
}

/* -- local services ------------------------------------------------------------------------------------------------ */

static bool unix_answers(const struct target *t)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", t->path);
    int fd = socket_dial((struct sockaddr *)&at, sizeof(at), SERVICE_WAIT_MS);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* NULL: it does. */
static const char *why_silent(const struct target *t)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[8];
    int fd = -1;
    if (t->kind == TARGET_UNIX)
        return unix_answers(t) ? NULL : strerror(errno);
    snprintf(port, sizeof(port), "%u", t->port);
    int rc = getaddrinfo(t->host, port, &hints, &list);
    if (rc != 0)
        return rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);
    for (const struct addrinfo *i = list; i != NULL && fd < 0; i = i->ai_next)
        fd = socket_dial(i->ai_addr, i->ai_addrlen, SERVICE_WAIT_MS);
    int error = errno;
    freeaddrinfo(list);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? NULL : strerror(error);
}

static void services_check(struct report *r, const struct services *services)
{
    char target[PATH_TEXT_MAX];
    for (size_t i = 0; i < services->count; i++) {
        const struct service *s = &services->list[i];
        const char *why = why_silent(&s->target);
        target_text(&s->target, target, sizeof(target));
        if (why == NULL)
            report_format(r, "service", LINK_GOOD, "", "%s: %s answers", s->name, target);
        else
            report_format(r, "service", LINK_BAD, "Start it, or give another target", "%s: %s: %s", s->name, target, why);
    }
}

static void services_look(struct report *r, struct options *o, char *const *words, int count)
{
    struct services services = {0, NULL};
    struct config_error err;
    int status = options_services(o, words, count, &services, &err);
    if (status == 0)
        services_check(r, &services);
    else if (count == 0 && errno == ENOENT)
        report_line(r, "services", LINK_DOUBTFUL, err.text, "");
    else
        report_line(r, "services", LINK_BAD, err.text, "");
    services_done(&services);
}

/* -- all of it ----------------------------------------------------------------------------------------------------- */

/* Returns the id, heap; NULL: the rest makes no sense. */
static char *settings_look(struct report *r, struct options *o)
{
    struct config_error err;
    char *id = NULL, text[512];
    if (options_finish(o, &err) != 0 || options_id(o, &id, &err) != 0) {
        report_line(r, "settings", LINK_BAD, err.text, "");
        return NULL;
    }
    way_settings_text(&o->way, text, sizeof(text));
    report_format(r, "settings", LINK_GOOD, "", "client %s, by way of %s%s", id, text, o->no_encryption ? ", NOT encrypted" : "");
    return id;
}

int doctor_run(struct options *o, char *const *services, int count)
{
    struct report r = {.json = o->json};
    signal(SIGPIPE, SIG_IGN);
    char instance[INSTANCE_TEXT_BYTES + 1];
    char *id = settings_look(&r, o);
    if (id == NULL)
        return EXIT_FAILED;
    services_look(&r, o, services, count);
    unsigned before = r.bad;
    const struct way way = way_settings_way(&o->way);
    if (instance_create(instance) == 0)
        way_checkup(&way, instance, report_line, &r);
    if (r.bad == before)
        doctor_server(&r, o, id);
    files_free(&o->files);
    free(id);
    return r.bad > 0 ? EXIT_FAILED : 0;
}
