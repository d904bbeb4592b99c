/* SPDX-License-Identifier: Apache-2.0 */
/* What is on the screen. All text goes through put(), which leaves nothing in it that a terminal would obey. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "base/clock.h"
#include "base/text_line.h"
#include "client/tui_inner.h"

#define LOOK_LIMIT_US (200 * US_PER_MS)
#define RATE_US US_PER_S
#define LINE_MAX_BYTES 2048
#define LABEL_COLUMNS 12
#define LOG_ROWS_MAX 6

/* A request, copied while the book is locked. */
struct shown {
    char when[12], method[16], target[512], service[NAME_MAX_BYTES + 1];
    unsigned status;
    enum record_state state;
    bool websocket;
    uint64_t duration_us, bytes;
};
#define SHOWN_MAX 128

/* -- text ---------------------------------------------------------------------------------------------------------- */

/* Characters as many as fit; one without a width, or that the locale does not have, is '?'. */
static void put(int row, int column, attr_t attributes, const char *text)
{
    char clean[LINE_MAX_BYTES];
    wchar_t wide[LINE_MAX_BYTES];
    struct text_line line;
    int count = 0, left = getmaxx(stdscr) - column;
    mbstate_t state = {0};
    if (row >= getmaxy(stdscr) || left <= 0)
        return;
    text_line_init(&line, clean, sizeof(clean) - 1);
    text_line_clean(&line, text, strlen(text));
    for (size_t at = 0, n; at < line.len; at += n) {
        wchar_t c;
        n = mbrtowc(&c, clean + at, line.len - at, &state);
        int width = n > line.len - at || n == 0 ? -1 : wcwidth(c);
        if (width < 0) {
            c = L'?';
            n = n > line.len - at || n == 0 ? 1 : n;
            width = 1;
            state = (mbstate_t){0};
        }
        left -= width;
        if (left < 0)
            break;
        wide[count++] = c;
    }
    attrset(attributes);
    mvaddnwstr(row, column, wide, count);
    attrset(A_NORMAL);
}

__attribute__((format(printf, 3, 4))) static void field(int *row, const char *label, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put(*row, 0, A_DIM, label);
    put((*row)++, LABEL_COLUMNS, A_NORMAL, text);
}

static void bytes_text(double bytes, char out[static 24])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; bytes >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1000;
    snprintf(out, 24, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static void time_text(uint64_t us, char out[static 24])
{
    if (us < US_PER_S)
        snprintf(out, 24, "%" PRIu64 " ms", us / US_PER_MS);
    else
        snprintf(out, 24, "%.1f s", (double)us / US_PER_S);
}

static void span_text(time_t since_s, char out[static 32])
{
    long long s = (long long)(time(NULL) - since_s);
    if (s < 0)
        s = 0;
    if (s < 86400)
        snprintf(out, 32, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%lld d %lld h", s / 86400, s / 3600 % 24);
}

/* -- the state ----------------------------------------------------------------------------------------------------- */

static void rates_count(struct tui *t, uint64_t now_us)
{
    uint64_t us = now_us - t->sampled_us;
    if (t->sampled_us != 0 && us < RATE_US)
        return;
    if (t->sampled_us != 0) {
        t->sent_rate = (double)(t->look.sent - t->sent) * US_PER_S / (double)us;
        t->received_rate = (double)(t->look.received - t->received) * US_PER_S / (double)us;
    }
    t->sampled_us = now_us;
    t->sent = t->look.sent;
    t->received = t->look.received;
}

static void status_draw(const struct tui *t, int *row)
{
    const struct client_look *l = &t->look;
    char span[32];
    span_text(l->since_s, span);
    if (!t->looked)
        field(row, "Status", "starting");
    else if (l->connected)
        field(row, "Status", "connected to %s for %s, reconnects %u", l->about, span, l->reconnects);
    else
        field(row, "Status", "NOT connected for %s%s%s", span, l->about[0] != '\0' ? ": " : "", l->about);
    const struct error *refused = t->client != NULL ? client_refused(t->client) : NULL;
    if (refused != NULL)
        field(row, "Server", "refused: %s (%s)", refused->text, refused->name);
    else if (l->sessions == 0)
        field(row, "Server", "no session yet");
    else
        field(row, "Server", "%ssession%s, latency %.1f ms%s", l->encrypted ? "encrypted " : "NOT encrypted ", l->away ? ", away for now" : "",
              (double)l->round_trip_us / US_PER_MS, l->sessions > 1 ? ", and others" : "");
}

static void traffic_draw(const struct tui *t, int *row)
{
    const struct client_look *l = &t->look;
    char in[24], out[24], in_all[24], out_all[24];
    bytes_text(t->received_rate, in);
    bytes_text(t->sent_rate, out);
    bytes_text((double)l->received, in_all);
    bytes_text((double)l->sent, out_all);
    field(row, "Traffic", "in %s/s (%s), out %s/s (%s)", in, in_all, out, out_all);
    field(row, "Streams", "%u connections open, %" PRIu64 " streams in all, %" PRIu64 " refused", l->connections, l->streams, l->refused);
}

static void services_draw(const struct tui *t, int *row)
{
    const struct client_look *l = &t->look;
    unsigned shown = l->services < CLIENT_LOOK_SERVICES_MAX ? l->services : CLIENT_LOOK_SERVICES_MAX;
    unsigned most = (unsigned)getmaxy(stdscr) / 4 + 1;
    for (unsigned i = 0; i < shown && i < most; i++) {
        const struct client_look_service *s = &l->service[i];
        field(row, i == 0 ? "Services" : "", "%s  %s%s%s", s->name, s->url, s->url[0] != '\0' ? "  ->  " : "-> ", s->target);
    }
    if (l->services > most || l->services > shown)
        field(row, "", "and %u more", l->services - (shown < most ? shown : most));
}

/* -- requests ------------------------------------------------------------------------------------------------------ */

static void copy_text(char *out, size_t size, struct http_text text)
{
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.at != NULL ? text.at : "");
}

/* The latest ones first. */
static unsigned requests_copy(struct book *b, struct shown *out, unsigned most, uint64_t now_us, uint64_t *total)
{
    unsigned count = 0;
    book_lock(b);
    *total = b->number;
    for (struct list *node = b->by_number.prev; node != &b->by_number && count < most; node = node->prev) {
        const struct record *r = CONTAINER_OF(node, struct record, by_number);
        struct shown *s = &out[count++];
        time_t at = (time_t)(r->time_us / (int64_t)US_PER_S);
        struct tm tm;
        if (localtime_r(&at, &tm) == NULL || strftime(s->when, sizeof(s->when), "%T", &tm) == 0)
            s->when[0] = '\0';
        copy_text(s->method, sizeof(s->method), record_method(r));
        copy_text(s->target, sizeof(s->target), record_target(r));
        snprintf(s->service, sizeof(s->service), "%s", r->service);
        s->status = r->status;
        s->state = r->state;
        s->websocket = r->websocket;
        s->duration_us = record_duration_us(r, now_us);
        s->bytes = r->response.body_bytes;
    }
    book_unlock(b);
    return count;
}

static attr_t status_attributes(const struct shown *s)
{
    static const short colours[] = {COLOR_WHITE, COLOR_CYAN, COLOR_GREEN, COLOR_CYAN, COLOR_YELLOW, COLOR_RED};
    unsigned class = s->status / 100;
    if (s->state == RECORD_CUT)
        return A_BOLD | COLOR_PAIR(COLOR_RED);
    return class == 0 || class > 5 ? A_NORMAL : COLOR_PAIR(colours[class]);
}

static void request_draw(int row, const struct shown *s)
{
    char text[LINE_MAX_BYTES], status[12], took[24], size[24];
    if (s->status != 0)
        snprintf(status, sizeof(status), "%u", s->status);
    else
        snprintf(status, sizeof(status), "%s", s->state == RECORD_OPEN ? "..." : "cut");
    time_text(s->duration_us, took);
    bytes_text((double)s->bytes, size);
    put(row, 0, A_NORMAL, s->when);
    put(row, 9, status_attributes(s), status);
    snprintf(text, sizeof(text), "%8s %9s  %s %s %s%s%s", took, size, s->service, s->method, s->target, s->websocket ? " (WebSocket)" : "",
             s->state == RECORD_CUT && s->status != 0 ? " (cut)" : "");
    put(row, 13, A_NORMAL, text);
}

static void requests_draw(struct tui *t, int row, int end, uint64_t now_us)
{
    struct shown shown[SHOWN_MAX];
    char head[64];
    uint64_t total;
    int rows = end - row - 1;
    if (t->book == NULL || rows <= 0)
        return;
    unsigned count = requests_copy(t->book, shown, rows < SHOWN_MAX ? (unsigned)rows : SHOWN_MAX, now_us, &total);
    snprintf(head, sizeof(head), "Requests: %" PRIu64, total);
    put(row++, 0, A_BOLD, head);
    for (unsigned i = 0; i < count; i++)
        request_draw(row++, &shown[i]);
}

/* -- the log ------------------------------------------------------------------------------------------------------- */

/* Returns the first row that it takes. */
static int log_draw(const struct tui *t)
{
    int rows = getmaxy(stdscr), most = rows / 4 < LOG_ROWS_MAX ? rows / 4 : LOG_ROWS_MAX;
    unsigned count = t->kept_seen < TUI_LINES ? t->kept_seen : TUI_LINES;
    if (most < 0 || count < (unsigned)most)
        most = (int)count;
    for (int i = 0; i < most; i++)
        put(rows - most + i, 0, A_DIM, t->kept[(t->kept_seen - (unsigned)most + (unsigned)i) % TUI_LINES]);
    return rows - most;
}

void tui_paint(struct tui *t, uint64_t now_us)
{
    int row = 0;
    char head[NAME_MAX_BYTES + 32];
    if (t->client != NULL && client_look(t->client, &t->look, LOOK_LIMIT_US)) {
        t->looked = true;
        rates_count(t, now_us);
    }
    erase();
    snprintf(head, sizeof(head), "mdm-tunnel-client %s", t->id);
    put(row++, 0, A_BOLD, head);
    status_draw(t, &row);
    traffic_draw(t, &row);
    services_draw(t, &row);
    if (t->page[0] != '\0')
        field(&row, "Inspector", "%s", t->page);
    field(&row, "Keys", "q ends, Ctrl-L draws anew");
    int log_row = log_draw(t);
    requests_draw(t, row + 1, log_row > row + 1 ? log_row - 1 : row, now_us);
    refresh();
}
