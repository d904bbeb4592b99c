/* SPDX-License-Identifier: Apache-2.0 */
/* A whole answer in one write. */
#include "server/farewell.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "mdm-tunnel/limits.h"

#define READ_AWAY_MAX 16 /* blocks */

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7), whatever the locale. */
static void date_add(struct text *out)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm) != NULL)
        text_format(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
                    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static const char *phrase(unsigned status) { return status == 408 ? "Request Timeout" : "Service Unavailable"; }

void farewell_say(int fd, const struct error *e, enum page_format format)
{
    char away[4 * KIB];
    struct text page, all;

    /* What is not read when the socket is closed would throw the answer away. */
    for (unsigned i = 0; i < READ_AWAY_MAX && recv(fd, away, sizeof(away), MSG_DONTWAIT) > 0; i++)
        continue;
    text_init(&page, PAGE_MAX);
    text_init(&all, PAGE_MAX);
    page_error(&page, format, e, e->http_status, NULL, NULL);
    text_format(&all, "HTTP/1.1 %u %s\r\n", e->http_status, phrase(e->http_status));
    date_add(&all);
    if (e->http_status == 503)
        text_format(&all, "Retry-After: 5\r\n");
    text_format(&all, "X-Mdm-Tunnel-Error: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                "Connection: close\r\n\r\n", e->name, page_content_type(format), page.len);
    text_add(&all, page.at, page.len);
    if (!page.failed && !all.failed)
        (void)!send(fd, all.at, all.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    text_done(&page);
    text_done(&all);
}
