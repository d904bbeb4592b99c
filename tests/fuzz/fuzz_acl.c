/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of rules: refused with a reason, or every line of it can be used. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/acl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line_check(const struct acl_line *line)
{
    assert((line->pattern == NULL) == (line->whom == ACL_FOR_ALL || line->whom == ACL_FOR_ANONYMOUS));
    switch (line->kind) {
    case ACL_RULE:
        assert(line->filter != NULL && line->filter[0] != '\0' && line->to == NULL);
        assert(line->deeds != 0 && (line->deeds & ~(unsigned)ACL_ALL) == 0);
        break;
    case ACL_REWRITE:
        assert(line->filter != NULL && line->filter[0] != '\0' && line->to != NULL && line->to[0] != '\0');
        break;
    case ACL_RATE:
        assert(line->rate > 0 && line->burst > 0);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acl acl;
    struct config_error err = {""};
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (acl_parse(text, &acl, &err) != 0) {
        assert(err.text[0] != '\0');
        free(text);
        return 0;
    }
    for (size_t i = 0; i < acl.user_count; i++) {
        assert(i == 0 || strcmp(acl.users[i - 1].name, acl.users[i].name) < 0);
        assert(acl_user_find(&acl, acl.users[i].name) == &acl.users[i] && acl.users[i].hash != NULL);
    }
    for (size_t i = 0; i < acl.line_count; i++)
        line_check(&acl.lines[i]);
    acl_done(&acl);
    free(text);
    return 0;
}
