/* SPDX-License-Identifier: Apache-2.0 */
/* Hideouts, and what is left behind of them. */
#include "files/hideout.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static char base[] = "/tmp/mdm-hideout-XXXXXX";

static unsigned entries(void)
{
    unsigned count = 0;
    struct dirent *e;
    DIR *directory = opendir(base);
    while (directory != NULL && (e = readdir(directory)) != NULL)
        count += e->d_name[0] != '.';
    if (directory != NULL)
        closedir(directory);
    return count;
}

static bool enters(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool entered = connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0;
    close(fd);
    return entered;
}

static void comes_and_goes(void)
{
    struct hideout h;
    struct stat st;
    int fd = hideout_listen(&h, 4);
    OK(fd >= 0);
    OK(strncmp(h.directory, base, strlen(base)) == 0);
    OK(stat(h.directory, &st) == 0 && (st.st_mode & 0777) == 0700);
    OK(enters(&h.address));
    close(fd);
    hideout_leave(&h);
    hideout_leave(&h);
    OK_INT(entries(), 0);
}

/* The child is killed in its hideout; the next program removes that, and not the one in which somebody is. */
static void leftovers(void)
{
    struct hideout mine, next;
    int pipes[2], fd = hideout_listen(&mine, 4);
    char byte;
    OK(fd >= 0 && pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct hideout h;
        close(mine.lock); /* a lock is its descriptor's, which fork() has doubled */
        byte = hideout_listen(&h, 4) >= 0 ? 'y' : 'n';
        if (write(pipes[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    OK(read(pipes[0], &byte, 1) == 1 && byte == 'y');
    OK_INT(entries(), 2);
    OK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    OK_INT(entries(), 2);
    int other = hideout_listen(&next, 4);
    OK(other >= 0);
    OK_INT(entries(), 2);
    OK(enters(&mine.address) && enters(&next.address));
    close(other);
    close(fd);
    hideout_leave(&next);
    hideout_leave(&mine);
    OK_INT(entries(), 0);
    close(pipes[0]);
    close(pipes[1]);
}

static void elsewhere(void)
{
    struct hideout h;
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    int fd = hideout_listen(&h, 4);
    OK(fd >= 0 && strncmp(h.directory, "/tmp/mdm-tunnel-files-", 22) == 0);
    close(fd);
    hideout_leave(&h);
    OK(access(h.address.sun_path, F_OK) != 0);
}

static const struct tap_case cases[] = {
    {"comes and goes", comes_and_goes},
    {"leftovers are removed", leftovers},
    {"without a runtime directory", elsewhere},
};

int main(void)
{
    if (mkdtemp(base) == NULL)
        return 1;
    setenv("XDG_RUNTIME_DIR", base, 1);
    int status = TAP_RUN(cases);
    rmdir(base);
    return status;
}
