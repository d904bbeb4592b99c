/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a person gets past the token: a form instead of the bare 401 where a browser asks, and what comes back from it. The token is in a
 * body, so it is in no address line, history or log.
 * Source: application/x-www-form-urlencoded as of the URL standard (WHATWG).
 */
#ifndef WEB_LOGIN_H
#define WEB_LOGIN_H

#include "web/web.h"

#define LOGIN_PATH "/login"

/* Is a page wanted, by Accept's value (NULL: not sent)? */
bool login_wanted(const char *accept);
/* 401 with the form; `where` says where the token is found (NULL: nothing is said). */
void login_form(struct web_reply *out, const char *where, bool wrong);
/* Is the body the form's type? */
bool login_type(const char *type);
/* Takes the token out of the form's body; false: none, or longer than tokens are. */
bool login_token(const char *body, char token[static WEB_TOKEN_MAX + 1]);

#endif
