/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the page, made from page/ (build-aux/embed). */
#ifndef INSPECT_PAGE_FILES_H
#define INSPECT_PAGE_FILES_H

#include "web/web.h"

extern const struct web_file inspect_page[];

#endif
