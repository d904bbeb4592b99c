/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: which file, and what stands in it. */
#include "server/template.h"

#include <stdio.h>
#include <string.h>

static const char *const names[TEMPLATES] = {"offline.html", "maintenance.html", "error.html", "400.html", "401.html", "403.html",
                                             "404.html",     "405.html",         "408.html",   "429.html", "431.html", "502.html",
                                             "503.html",     "504.html"};

void templates_init(struct templates *t, const char *directory)
{
    t->any = directory != NULL;
    for (unsigned i = 0; t->any && i < TEMPLATES; i++)
        kept_file_init(&t->files[i], directory, names[i]);
}

void templates_done(struct templates *t)
{
    for (unsigned i = 0; t->any && i < TEMPLATES; i++)
        kept_file_done(&t->files[i]);
    t->any = false;
}

static const char *named(struct templates *t, const char *name, uint64_t now_us)
{
    for (unsigned i = 0; i < TEMPLATES; i++)
        if (strcmp(names[i], name) == 0)
            return kept_file_text(&t->files[i], now_us);
    return NULL;
}

const char *template_find(struct templates *t, const struct error *e, unsigned status, uint64_t now_us)
{
    char by_status[24];
    const char *found = NULL;

    if (!t->any)
        return NULL;
    snprintf(by_status, sizeof(by_status), "%u.html", status);
    if (e == &error_client_offline || e == &error_maintenance)
        found = named(t, e == &error_maintenance ? "maintenance.html" : "offline.html", now_us);
    if (found == NULL)
        found = named(t, by_status, now_us);
    return found != NULL ? found : named(t, "error.html", now_us);
}

void template_write(struct text *out, const char *template, const struct template_values *v)
{
    const struct {
        const char *mark, *value;
    } places[] = {{"{{host}}", v->host},     {"{{client}}", v->client}, {"{{service}}", v->service},     {"{{status}}", v->status},
                  {"{{reason}}", v->reason}, {"{{error}}", v->error},   {"{{last_seen}}", v->last_seen}, {"{{request_id}}", v->request_id}};

    for (const char *at = template; *at != '\0';) {
        size_t plain = strcspn(at, "{"), used = 1, i = 0;
        text_add(out, at, plain);
        at += plain;
        if (*at == '\0')
            return;
        while (i < sizeof(places) / sizeof(places[0]) && strncmp(at, places[i].mark, strlen(places[i].mark)) != 0)
            i++;
        if (i < sizeof(places) / sizeof(places[0])) {
            used = strlen(places[i].mark);
            text_add_html(out, places[i].value != NULL ? places[i].value : "");
        } else {
            text_add(out, at, 1);
        }
        at += used;
    }
}
