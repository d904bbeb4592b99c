/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates from files. */
#include "config/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdm-tunnel/limits.h"

/* Why this is not a file for us; NULL: it is. */
static const char *unfit(const struct stat *st, enum secrecy secrecy)
{
    if (!S_ISREG(st->st_mode))
        return "not a file";
    if (secrecy == SECRET_PRIVATE && (st->st_mode & (S_IROTH | S_IWOTH)) != 0)
        return "everybody can read this secret; take that right away (chmod o-rwx)";
    return st->st_size > (off_t)CONFIG_FILE_MAX ? strerror(EFBIG) : NULL;
}

/* Up to `size` bytes. */
static char *text_read(int fd, size_t size, const char **why)
{
    char *text = calloc(1, size + 1);
    size_t len = 0;
    for (ssize_t n = 1; text != NULL && len < size && n > 0; len += n > 0 ? (size_t)n : 0) {
        do
            n = read(fd, text + len, size - len);
        while (n < 0 && errno == EINTR);
    }
    *why = text == NULL ? strerror(errno) : strlen(text) != len || len == 0 ? "not a text" : NULL;
    if (*why == NULL)
        return text;
    secret_free(text);
    return NULL;
}

char *secret_read(const char *path, enum secrecy secrecy, struct config_error *err)
{
    struct stat st;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *why = fd < 0 || fstat(fd, &st) != 0 ? strerror(errno) : unfit(&st, secrecy);
    if (why == NULL)
        text = text_read(fd, (size_t)st.st_size, &why);
    if (fd >= 0)
        close(fd);
    if (text == NULL)
        config_error_set(err, "%.256s: %s", path, why);
    return text;
}

void secret_free(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}
