/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of configuration errors. */
#include "config/error.h"

#include <stdarg.h>
#include <stdio.h>

int config_error_set(struct config_error *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    return -1;
}
