/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of the administrator's own: which one, what stands in it, and when a file is read again. */
#include "server/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"

#include "tap.h"

#define SECOND 1000000u

static char directory[] = "/tmp/mdm-pages-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void file_put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    OK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char *found(struct templates *t, const struct error *e, unsigned status, uint64_t now_us)
{
    const char *text = template_find(t, e, status, now_us);
    return text == NULL ? "none" : text;
}

static void chosen(void)
{
    struct templates t;
    uint64_t now = SECOND;
    templates_init(&t, NULL);
    OK_TEXT(found(&t, &error_client_offline, 503, now), "none");
    templates_done(&t);
    templates_init(&t, directory);
    OK_TEXT(found(&t, &error_client_offline, 503, now), "none");
    file_put("error.html", "any");
    file_put("503.html", "503");
    OK_TEXT(found(&t, &error_client_offline, 503, now), "none"); /* within the second */
    now += SECOND;
    OK_TEXT(found(&t, &error_client_offline, 503, now), "503");
    OK_TEXT(found(&t, &error_bad_answer, 502, now), "any");
    OK_TEXT(found(&t, &error_bad_answer, 599, now), "any");
    file_put("offline.html", "away");
    file_put("maintenance.html", "works");
    file_put("503.html", "503, a new one");
    now += SECOND;
    OK_TEXT(found(&t, &error_client_offline, 503, now), "away");
    OK_TEXT(found(&t, &error_maintenance, 503, now), "works");
    OK_TEXT(found(&t, &error_limit, 503, now), "503, a new one");
    OK(unlink(path_of("offline.html")) == 0 && unlink(path_of("maintenance.html")) == 0 && unlink(path_of("503.html")) == 0);
    now += SECOND;
    OK_TEXT(found(&t, &error_client_offline, 503, now), "any");
    templates_done(&t);
}

static void bounded(void)
{
    char *large = malloc(KEPT_FILE_MAX + 2);
    struct kept_file k;
    memset(large, 'x', KEPT_FILE_MAX + 1);
    large[KEPT_FILE_MAX + 1] = '\0';
    file_put("error.html", large + 1);
    kept_file_init(&k, directory, "error.html");
    OK(kept_file_text(&k, SECOND) != NULL && k.len == KEPT_FILE_MAX);
    file_put("error.html", large);
    OK(kept_file_text(&k, 2 * SECOND) == NULL);
    OK(unlink(path_of("error.html")) == 0);
    kept_file_done(&k);
    free(large);
    kept_file_init(&k, "/", "tmp"); /* no file */
    OK(kept_file_text(&k, SECOND) == NULL);
    kept_file_done(&k);
}

static void written(const char *template, const char *want)
{
    const struct template_values v = {.host = "a<b>&\"'", .client = "tim", .status = "503", .reason = "{{host}}"};
    struct text out;
    text_init(&out, 1024);
    template_write(&out, template, &v);
    text_add(&out, "", 1);
    OK_TEXT(out.at, want);
    text_done(&out);
}

static void placeholders(void)
{
    written("", "");
    written("{{client}}: {{status}}{{client}}", "tim: 503tim");
    written("<p>{{host}}</p>", "<p>a&lt;b&gt;&amp;&quot;&#39;</p>");
    written("{{reason}}", "{{host}}"); /* what was put in is not looked at again */
    written("[{{service}}{{last_seen}}]", "[]");
    written("{ {{ {{nothing}} {{client} {{{client}}} {{", "{ {{ {{nothing}} {{client} {tim} {{");
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"the most special file that is there", chosen},
        {"a file that is too large is none", bounded},
        {"placeholders are escaped, all else stays", placeholders},
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    int result = TAP_RUN(cases);
    rmdir(directory);
    return result;
}
