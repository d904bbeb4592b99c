/* SPDX-License-Identifier: Apache-2.0 */
/* A URL as a QR code (ISO/IEC 18004), for who holds a telephone in front of a terminal. Any thread. */
#ifndef CLIENT_QR_H
#define CLIENT_QR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* On a terminal black and white are said, so that the code is as it should be on dark and light ones; elsewhere light is what is drawn. */
enum qr_style {
    QR_BLOCKS,          /* UTF-8: two modules, one above the other, are a character */
    QR_BLOCKS_COLOURED,
    QR_PAIRS,           /* ASCII: "##" is a dark module, two spaces are a light one */
    QR_PAIRS_COLOURED,
};

/* What fits a descriptor: whether it is a terminal that knows colours, and whether the user's locale (LC_ALL, LC_CTYPE, LANG) is one of UTF-8. */
enum qr_style qr_style_of(int fd);
/* Lines with the code and the margin of four modules that it needs; *columns: how wide they are. False: there is no memory, or the
 * text does not fit into a code. */
bool qr_write(const char *what, enum qr_style style, struct text *out, unsigned *columns);

#endif
