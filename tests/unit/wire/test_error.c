/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of errors. */
#include "wire/error.h"

#include "tap.h"

static bool name_is_well_formed(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name);
}

static void test_rows(void)
{
    unsigned count = 0;
    for (const struct error *e; (e = error_row(count)) != NULL; count++) {
        OK(name_is_well_formed(e->name));
        OK(e->text[0] != '\0');
        OK(e->http_status >= 200 && e->http_status <= 599);
        OK(error_by_code(e->code) == e);
        for (unsigned i = 0; i < count; i++)
            OK(strcmp(error_row(i)->name, e->name) != 0);
    }
    OK(count > 20);
    OK(error_row(count + 1) == NULL);
}

static void test_row_says_what_the_table_says(void)
{
    OK_TEXT(error_client_offline.name, "client-offline");
    OK_INT(error_client_offline.code, 4);
    OK_INT(error_client_offline.http_status, 503);
    OK_INT(error_client_offline.scope, ERROR_SCOPE_STREAM);
    OK_INT(error_client_offline.level, LOG_LEVEL_INFO);
    OK_INT(error_protocol_error.scope, ERROR_SCOPE_SESSION);
    OK_TEXT(error_method_not_allowed.name, "method-not-allowed");
    OK(error_row(0) == &error_none);
}

static void test_unknown_code(void)
{
    OK(error_by_code(0xffff) == &error_protocol_error);
    OK(error_by_code(0) == &error_none);
}

static const struct tap_case cases[] = {
    {"rows have names, texts and codes of their own", test_rows},
    {"a row says what the table says", test_row_says_what_the_table_says},
    {"a code without a row is a broken protocol", test_unknown_code},
};

int main(void)
{
    return TAP_RUN(cases);
}
