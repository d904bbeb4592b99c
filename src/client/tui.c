/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal: taken over, given back, and what it says. */
#include "client/tui_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#include "base/clock.h"

#define PERIOD_US (500 * US_PER_MS)
#define CTRL_L 12

/* -- a crash ------------------------------------------------------------------------------------------------------- */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT};
#define CRASHES (sizeof(crashes) / sizeof(crashes[0]))

/* All that a signal's handler needs, which may ask nobody. */
static struct {
    struct sigaction before[CRASHES];
    struct termios modes;
    char leave[128]; /* what the terminal is told */
    size_t leave_len;
    int errors;
} rescue;

static void rescue_add(const char *capability)
{
    const char *text = tigetstr(capability);
    size_t len = text == NULL || text == (char *)-1 ? 0 : strlen(text);
    if (rescue.leave_len + len < sizeof(rescue.leave)) {
        memcpy(rescue.leave + rescue.leave_len, text != NULL ? text : "", len);
        rescue.leave_len += len;
    }
}

/* Who was to hear of it before hears of it now. */
static void on_crash(int number)
{
    ssize_t written = write(STDOUT_FILENO, rescue.leave, rescue.leave_len);
    (void)written;
    tcsetattr(STDIN_FILENO, TCSANOW, &rescue.modes);
    dup2(rescue.errors, STDERR_FILENO);
    for (size_t i = 0; i < CRASHES; i++)
        if (crashes[i] == number)
            sigaction(number, &rescue.before[i], NULL);
    raise(number);
}

static void rescue_prepare(int errors)
{
    const struct sigaction action = {.sa_handler = on_crash};
    rescue.leave_len = 0;
    rescue_add("sgr0");
    rescue_add("cnorm");
    rescue_add("rmcup");
    rescue.errors = errors;
    for (size_t i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &action, &rescue.before[i]);
}

static void rescue_end(void)
{
    for (size_t i = 0; i < CRASHES; i++)
        sigaction(crashes[i], &rescue.before[i], NULL);
}

/* -- open ---------------------------------------------------------------------------------------------------------- */

bool tui_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) && term != NULL && term[0] != '\0' &&
           strcmp(term, "dumb") != 0;
}

/* In the thread's locale only: what the program writes elsewhere stays as it is. */
static bool terminal_take(struct tui *t)
{
    t->locale = newlocale(LC_CTYPE_MASK, "", NULL);
    t->locale_before = t->locale != NULL ? uselocale(t->locale) : NULL;
    t->terminal = newterm(NULL, stdout, stdin);
    if (t->terminal == NULL)
        return false;
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    curs_set(0);
    if (has_colors() && start_color() == OK && use_default_colors() == OK)
        for (short i = COLOR_RED; i <= COLOR_CYAN; i++)
            init_pair(i, i, -1);
    return true;
}

static bool watch(struct tui *t, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(t->events, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool signals_take(struct tui *t)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGTSTP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return t->signals >= 0;
}

/* Who writes there waits for nobody: what the pipe does not take is lost, and the log says so. */
static bool errors_take(struct tui *t)
{
    int ends[2];
    t->errors = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (t->errors < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    t->log_in = ends[0];
    bool taken = dup2(ends[1], STDERR_FILENO) >= 0;
    close(ends[1]);
    return taken;
}

struct tui *tui_open(const char *id)
{
    struct tui *t;
    ALLOC_OBJECT(t, TUI_MAGIC);
    if (t == NULL)
        return NULL;
    t->id = id;
    t->page = "";
    t->signals = t->log_in = t->errors = -1;
    t->events = epoll_create1(EPOLL_CLOEXEC);
    bool ready = t->events >= 0 && tcgetattr(STDIN_FILENO, &rescue.modes) == 0 && signals_take(t) && errors_take(t) &&
                 watch(t, STDIN_FILENO) && watch(t, t->log_in) && watch(t, t->signals) && terminal_take(t);
    if (ready)
        rescue_prepare(t->errors);
    else
        tui_close(&t);
    return t;
}

void tui_show(struct tui *t, struct client *c, struct book *b, const char *page)
{
    CHECK_OBJECT(t, TUI_MAGIC);
    t->client = c;
    t->book = b;
    t->page = page;
    tui_draw(t);
}

/* -- what comes ---------------------------------------------------------------------------------------------------- */

static void line_end(struct tui *t)
{
    t->part[t->part_len] = '\0';
    memcpy(t->kept[t->kept_seen++ % TUI_LINES], t->part, t->part_len + 1);
    t->part_len = 0;
}

static void log_take(struct tui *t)
{
    char bytes[4096];
    ssize_t n;
    while ((n = read(t->log_in, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] == '\n' || t->part_len == LOG_LINE_MAX)
                line_end(t);
            if (bytes[i] != '\n')
                t->part[t->part_len++] = bytes[i];
        }
    }
}

static void size_take(struct tui *t)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return;
    resizeterm(size.ws_row, size.ws_col);
    clearok(curscr, TRUE);
    tui_draw(t);
}

/* The shell has the terminal meanwhile. */
static void stop(struct tui *t)
{
    endwin();
    raise(SIGSTOP);
    clearok(curscr, TRUE);
    size_take(t);
}

static void signals_look(struct tui *t)
{
    struct signalfd_siginfo info;
    while (read(t->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTSTP)
            stop(t);
        else
            size_take(t);
    }
}

/* Without curses, which would take a key that it does not know yet for a while. */
static bool keys_take(struct tui *t)
{
    char keys[64];
    ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    for (ssize_t i = 0; i < n; i++) {
        if (keys[i] == 'q')
            return false;
        if (keys[i] == CTRL_L) {
            clearok(curscr, TRUE);
            tui_draw(t);
        }
    }
    return true;
}

int tui_fd(const struct tui *t) { return t->events; }
uint64_t tui_due_us(const struct tui *t) { return t->due_us; }

bool tui_work(struct tui *t)
{
    struct epoll_event ready[3];
    bool go_on = true;
    CHECK_OBJECT(t, TUI_MAGIC);
    int count = epoll_wait(t->events, ready, 3, 0);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.fd == t->log_in)
            log_take(t);
        else if (ready[i].data.fd == t->signals)
            signals_look(t);
        else if (!keys_take(t)) {
            epoll_ctl(t->events, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            go_on = false;
        }
    }
    return go_on;
}

void tui_draw(struct tui *t)
{
    uint64_t now_us = clock_now_us();
    CHECK_OBJECT(t, TUI_MAGIC);
    log_take(t);
    t->due_us = now_us + PERIOD_US;
    tui_paint(t, now_us);
}

/* -- close --------------------------------------------------------------------------------------------------------- */

/* Lines of the log begin with the time, or with a brace. */
static void errors_tell(struct tui *t)
{
    unsigned first = t->kept_seen > TUI_LINES ? t->kept_seen - TUI_LINES : 0;
    for (unsigned i = first; i < t->kept_seen; i++) {
        const char *line = t->kept[i % TUI_LINES];
        if (line[0] != '{' && !(line[0] >= '0' && line[0] <= '9'))
            dprintf(STDERR_FILENO, "%s\n", line);
    }
}

static void errors_give_back(struct tui *t)
{
    if (t->log_in < 0)
        return;
    dup2(t->errors, STDERR_FILENO);
    log_take(t);
    close(t->log_in);
}

void tui_close(struct tui **tp)
{
    struct tui *t;
    if (*tp == NULL)
        return;
    TAKE_OBJECT(t, tp, TUI_MAGIC);
    if (t->terminal != NULL) {
        rescue_end();
        endwin();
        delscreen(t->terminal);
        tcsetattr(STDIN_FILENO, TCSANOW, &rescue.modes);
    }
    if (t->locale != NULL) {
        uselocale(t->locale_before);
        freelocale(t->locale);
    }
    errors_give_back(t);
    errors_tell(t);
    if (t->errors >= 0)
        close(t->errors);
    if (t->signals >= 0)
        close(t->signals);
    if (t->events >= 0)
        close(t->events);
    FREE_OBJECT(t);
}
