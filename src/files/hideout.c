/* SPDX-License-Identifier: Apache-2.0 */
/* Directories with a lock and a socket in them. */
#include "files/hideout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "mdm-tunnel-files-"
#define SOCKET "socket"
#define ELSEWHERE "/tmp"

/* -- what others left behind ----------------------------------------------------------------------------------------- */

/* A directory of ours whose lock can be had has nobody in it: with the lock held nobody begins in it either. */
static void leftover_remove(int base, const char *name)
{
    struct stat st;
    int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        unlinkat(fd, SOCKET, 0);
        unlinkat(base, name, AT_REMOVEDIR);
    }
    close(fd);
}

static void leftovers_remove(const char *base)
{
    DIR *directory = opendir(base);
    struct dirent *e;
    if (directory == NULL)
        return;
    while ((e = readdir(directory)) != NULL)
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0)
            leftover_remove(dirfd(directory), e->d_name);
    closedir(directory);
}

/* -- one of our own -------------------------------------------------------------------------------------------------- */

/* The directory that was made is locked; *removed: another program has taken it for a leftover before that. False with errno. */
static bool directory_lock(struct hideout *h, const char *made, bool *removed)
{
    struct stat ours, there;
    h->lock = open(made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool locked = h->lock >= 0 && flock(h->lock, LOCK_EX) == 0 && fstat(h->lock, &ours) == 0;
    if (locked && lstat(made, &there) == 0 && there.st_ino == ours.st_ino && there.st_dev == ours.st_dev)
        return true;
    int error = errno;
    *removed = locked || error == ENOENT;
    if (h->lock >= 0)
        close(h->lock);
    h->lock = -1;
    errno = error;
    return false;
}

static bool directory_make(struct hideout *h, const char *base)
{
    char made[sizeof(h->directory)];
    bool removed = true;
    while (removed) {
        int len = snprintf(made, sizeof(made), "%s/" PREFIX "XXXXXX", base);
        removed = false;
        if (len >= (int)sizeof(made)) {
            errno = ENAMETOOLONG;
            return false;
        }
        if (mkdtemp(made) == NULL)
            return false;
        if (directory_lock(h, made, &removed)) {
            memcpy(h->directory, made, sizeof(made));
            return true;
        }
    }
    int error = errno;
    rmdir(made);
    errno = error;
    return false;
}

static bool place_find(struct hideout *h)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime != NULL && runtime[0] == '/') {
        leftovers_remove(runtime);
        if (directory_make(h, runtime))
            return true;
    }
    leftovers_remove(ELSEWHERE);
    return directory_make(h, ELSEWHERE);
}

int hideout_listen(struct hideout *h, int backlog)
{
    *h = (struct hideout){.lock = -1, .address = {.sun_family = AF_UNIX}};
    if (!place_find(h))
        return -1;
    snprintf(h->address.sun_path, sizeof(h->address.sun_path), "%s/" SOCKET, h->directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (bind(fd, (struct sockaddr *)&h->address, sizeof(h->address)) == 0 && listen(fd, backlog) == 0))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

void hideout_leave(struct hideout *h)
{
    if (h->directory[0] == '\0')
        return;
    unlink(h->address.sun_path);
    rmdir(h->directory);
    close(h->lock);
    h->directory[0] = '\0';
}
