/* SPDX-License-Identifier: Apache-2.0 */
/* The media type that a file's name stands for. */
#ifndef FILES_TYPE_H
#define FILES_TYPE_H

const char *type_of(const char *name);

#endif
