/* SPDX-License-Identifier: Apache-2.0 */
/* The form, and its fields. */
#include "web/login.h"

#include <string.h>
#include <strings.h>

static const char page_begin[] = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                                 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Log in</title>\n<h1>A token is needed</h1>\n";
static const char page_end[] = "<form method=\"post\" action=\"" LOGIN_PATH "\">\n<label>Token <input name=\"token\" type=\"password\" "
                               "size=\"40\" autocomplete=\"current-password\" required autofocus></label>\n<button>Log in</button>\n"
                               "</form>\n";

bool login_wanted(const char *accept) { return accept != NULL && strstr(accept, "text/html") != NULL; }

void login_form(struct web_reply *out, const char *where, bool wrong)
{
    struct text t;

    text_init(&t, 4 * KIB);
    text_put(&t, page_begin);
    if (wrong)
        text_put(&t, "<p role=\"alert\"><strong>That is not the token.</strong></p>\n");
    if (where != NULL) {
        text_put(&t, "<p>");
        text_add_html(&t, where);
        text_put(&t, "</p>\n");
    }
    text_put(&t, page_end);
    web_reply_text(out, 401, "text/html; charset=utf-8", &t);
    web_reply_field(out, "WWW-Authenticate", "Bearer");
    web_reply_field(out, "Referrer-Policy", "same-origin"); /* without any, the form would come from Origin "null" (Fetch) */
}

bool login_type(const char *type)
{
    static const char form[] = "application/x-www-form-urlencoded";

    if (type == NULL || strncasecmp(type, form, sizeof(form) - 1) != 0)
        return false;
    const char *rest = type + sizeof(form) - 1;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

/* The value of a hexadecimal digit, -1: none. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads one character of a value and moves behind it; -1: not valid. */
static int decode(const char **at)
{
    const char *s = *at;

    if (*s != '%') {
        *at = s + 1;
        return *s == '+' ? ' ' : (unsigned char)*s;
    }
    int high = digit(s[1]), low = high < 0 ? -1 : digit(s[2]);
    if (low < 0)
        return -1;
    *at = s + 3;
    return 16 * high + low;
}

bool login_token(const char *body, char token[static WEB_TOKEN_MAX + 1])
{
    static const char name[] = "token=";
    size_t len = 0;

    while (strncmp(body, name, sizeof(name) - 1) != 0) {
        body = strchr(body, '&');
        if (body == NULL)
            return false;
        body++;
    }
    for (const char *at = body + sizeof(name) - 1; *at != '\0' && *at != '&';) {
        int c = decode(&at);
        if (c <= 0 || len == WEB_TOKEN_MAX)
            return false;
        token[len++] = (char)c;
    }
    token[len] = '\0';
    return len > 0;
}
