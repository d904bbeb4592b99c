/* SPDX-License-Identifier: Apache-2.0 */
/* Text files under a glance. */
#include "server/kept_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mdm-tunnel/limits.h"

void kept_file_init(struct kept_file *k, const char *directory, const char *name)
{
    *k = (struct kept_file){.text = NULL};
    if (asprintf(&k->path, "%s/%s", directory, name) < 0)
        k->path = NULL;
}

static void text_drop(struct kept_file *k)
{
    free(k->text);
    k->text = NULL;
    k->len = 0;
}

void kept_file_done(struct kept_file *k)
{
    text_drop(k);
    free(k->path);
    *k = (struct kept_file){.text = NULL};
}

static bool looks_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void file_read(struct kept_file *k, int fd)
{
    char *text = malloc(KEPT_FILE_MAX + 1);
    size_t len = 0;
    ssize_t got = 1;

    while (text != NULL && len <= KEPT_FILE_MAX && got > 0) {
        got = read(fd, text + len, KEPT_FILE_MAX + 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    if (text == NULL || got < 0 || len > KEPT_FILE_MAX) {
        log_warning("server", "%s is not used: %s", k->path, text == NULL ? strerror(ENOMEM) : got < 0 ? strerror(errno) : "it has more than 64 KiB");
        free(text);
        return;
    }
    text[len] = '\0';
    k->text = text;
    k->len = len;
}

const char *kept_file_text(struct kept_file *k, uint64_t now_us)
{
    struct stat st;

    if (k->path == NULL || now_us < k->look_us)
        return k->text;
    k->look_us = now_us + US_PER_S;
    int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        st = (struct stat){.st_size = 0};
    if (!looks_same(&st, &k->seen)) {
        text_drop(k);
        if (st.st_ino != 0)
            file_read(k, fd);
    }
    k->seen = st;
    if (fd >= 0)
        close(fd);
    return k->text;
}
