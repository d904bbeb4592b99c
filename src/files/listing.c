/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a folder, as a page: names are anybody's, so they are escaped. */
#include "files/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"

int open_below(int root, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

void url_add(struct text *out, const char *path)
{
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/", c) != NULL)
            text_add(out, path, 1);
        else
            text_format(out, "%%%02X", c);
    }
}

/* One that leads out of the folder, or is neither file nor folder, is not shown. */
static void entry_write(int root, const char *path, const char *name, struct text *out)
{
    char below[PATH_TEXT_MAX];
    struct stat st;
    int len = snprintf(below, sizeof(below), "%s/%s", path, name);
    int fd = len < (int)sizeof(below) ? open_below(root, below, O_PATH) : -1;
    bool shown = fd >= 0 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
    if (fd >= 0)
        close(fd);
    if (!shown)
        return;
    const char *slash = S_ISDIR(st.st_mode) ? "/" : "";
    text_format(out, "<tr><td><a href=\"./");
    url_add(out, name);
    text_format(out, "%s\">", slash);
    text_add_html(out, name);
    text_format(out, "%s</a><td>", slash);
    if (S_ISREG(st.st_mode))
        text_format(out, "%lld", (long long)st.st_size);
    text_format(out, "\n");
}

static int is_plain(const struct dirent *e) { return e->d_name[0] != '.'; }
static int is_entry(const struct dirent *e) { return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0; }

bool listing_write(int root, const char *path, int fd, bool dot_files, struct text *out)
{
    struct dirent **entries = NULL;
    int count = scandirat(fd, ".", &entries, dot_files ? is_entry : is_plain, alphasort);
    int error = errno;
    close(fd);
    if (count < 0) {
        errno = error;
        return false;
    }
    text_format(out, "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    text_add_html(out, path);
    text_format(out, "</title>\n<style>body{font-family:sans-serif;margin:2em}td{padding:.1em 2em .1em 0}td+td{text-align:right}</style>\n<h1>");
    text_add_html(out, path);
    text_format(out, "</h1>\n<table>\n%s", strcmp(path, ".") != 0 ? "<tr><td><a href=\"../\">../</a><td>\n" : "");
    for (int i = 0; i < count; i++) {
        if (i < FILES_LISTED_MAX)
            entry_write(root, path, entries[i]->d_name, out);
        free(entries[i]);
    }
    free(entries);
    text_format(out, "</table>\n%s", count > FILES_LISTED_MAX ? "<p>There are more.</p>\n" : "");
    return true;
}
