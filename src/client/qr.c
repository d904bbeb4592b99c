/* SPDX-License-Identifier: Apache-2.0 */
/* QR codes: libqrencode's modules as characters. */
#include "client/qr.h"

#include <langinfo.h>
#include <locale.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARGIN 4 /* modules on each side (ISO/IEC 18004 9.1) */

/* Of the 256 colours those of the cube, which no theme changes. */
#define WHITE_ON_BLACK "\033[38;5;231;48;5;16m"
#define ON_WHITE       "\033[48;5;231m"
#define ON_BLACK       "\033[48;5;16m"
#define AS_BEFORE      "\033[0m"

enum qr_style qr_style_of(int fd)
{
    const char *term = getenv("TERM");
    bool coloured = isatty(fd) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
    locale_t locale = newlocale(LC_CTYPE_MASK, "", NULL);
    bool utf8 = locale != NULL && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    if (locale != NULL)
        freelocale(locale);
    if (utf8)
        return coloured ? QR_BLOCKS_COLOURED : QR_BLOCKS;
    return coloured ? QR_PAIRS_COLOURED : QR_PAIRS;
}

/* What is around the code is light. */
static bool is_dark(const QRcode *code, int x, int y)
{
    x -= MARGIN;
    y -= MARGIN;
    return x >= 0 && y >= 0 && x < code->width && y < code->width && (code->data[y * code->width + x] & 1);
}

static void blocks_row(const QRcode *code, int y, struct text *out)
{
    static const char *const blocks[2][2] = {{"█", "▀"}, {"▄", " "}}; /* [the upper one is dark][the lower one is dark] */
    for (int x = 0; x < code->width + 2 * MARGIN; x++)
        text_put(out, blocks[is_dark(code, x, y)][is_dark(code, x, y + 1)]);
}

static void pairs_row(const QRcode *code, int y, bool coloured, struct text *out)
{
    for (int x = 0; x < code->width + 2 * MARGIN; x++) {
        bool dark = is_dark(code, x, y);
        if (coloured && (x == 0 || dark != is_dark(code, x - 1, y)))
            text_put(out, dark ? ON_BLACK : ON_WHITE);
        text_put(out, dark && !coloured ? "##" : "  ");
    }
}

bool qr_write(const char *what, enum qr_style style, struct text *out, unsigned *columns)
{
    bool blocks = style == QR_BLOCKS || style == QR_BLOCKS_COLOURED, coloured = style == QR_BLOCKS_COLOURED || style == QR_PAIRS_COLOURED;
    QRcode *code = QRcode_encodeString8bit(what, 0, QR_ECLEVEL_L);
    if (code == NULL)
        return false;
    int size = code->width + 2 * MARGIN;
    *columns = (unsigned)(blocks ? size : 2 * size);
    for (int y = 0; y < size; y += blocks ? 2 : 1) {
        if (blocks && coloured)
            text_put(out, WHITE_ON_BLACK);
        if (blocks)
            blocks_row(code, y, out);
        else
            pairs_row(code, y, coloured, out);
        text_put(out, coloured ? AS_BEFORE "\n" : "\n");
    }
    QRcode_free(code);
    return !out->failed;
}
