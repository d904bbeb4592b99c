/* SPDX-License-Identifier: Apache-2.0 */
/* Where lines of a log go: a descriptor, a file that may be moved away, the system's log, the journal. */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <stdatomic.h>

#include "base/local_socket.h"

enum log_sink_kind { LOG_SINK_FD, LOG_SINK_FILE, LOG_SINK_SYSLOG, LOG_SINK_JOURNAL };

struct log_sink {
    enum log_sink_kind kind;
    const char *program; /* outlives the sink */
    char *path;          /* heap; of a file */
    int fd;              /* its descriptor: the same for the sink's whole life, so that any thread may write */
    struct local_socket socket;
    atomic_ulong lost; /* lines that could not be written */
};

/* Lines of syslog(3) and of the journal's protocol. */
#define LOG_SYSLOG_SOCKET  "/dev/log"
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* A line, as each kind of sink wants it: the text, its severity (syslog(3)'s), whom it is about (may be ""). */
struct log_message {
    int severity;
    const char *subject; /* has no control bytes */
    const char *text;    /* likewise; for descriptors and files with its '\n' */
    size_t len;
};

/* Text of a descriptor that somebody else closes. */
void log_sink_fd(struct log_sink *s, int fd);
/* The file is made where there is none (0640). 0 or an errno. */
int log_sink_file(struct log_sink *s, const char *path);
/* `facility` as in syslog(3); `socket` NULL: the system's. 0 or an errno (nobody listens there). */
int log_sink_syslog(struct log_sink *s, const char *program, const char *socket);
int log_sink_journal(struct log_sink *s, const char *program, const char *socket);
/* A file is opened again by its path: somebody has moved it away. 0 or an errno: the old one stays. Any one thread. */
int log_sink_reopen(struct log_sink *s);
void log_sink_close(struct log_sink *s);

/* One message; never waits for a receiver of datagrams. Any thread. What is lost is counted in `lost`. */
bool log_sink_write(struct log_sink *s, int facility, const struct log_message *m);
/* The same for whole lines that end in '\n' (descriptors and files). */
bool log_sink_write_lines(struct log_sink *s, const char *lines, size_t len, unsigned long count);

#endif
