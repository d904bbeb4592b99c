/* SPDX-License-Identifier: Apache-2.0 */
/* A link with an MQTT session of its own, against mosquitto, against brokers of our own making, and against none. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_link.h"
#include "link/backoff.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

#define MOSQUITTO "/usr/sbin/mosquitto"

static const char *const filters[] = {"mdm/to/me/+", NULL};
static const char *const everywhere[] = {"mdm/at/+/+", NULL};

static char directory[] = "/tmp/test-link-XXXXXX";

/* -- brokers ------------------------------------------------------------------------------------------------------- */

static int listener_open(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof(address);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static uint16_t port_free(void)
{
    uint16_t port = 0;
    close(listener_open(&port));
    return port;
}

static bool port_answers(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return answers;
}

static pid_t mosquitto_start(uint16_t port)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/mosquitto.conf", directory);
    FILE *f = fopen(file, "w");
    if (f == NULL)
        return -1;
    fprintf(f, "listener %u 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n", port);
    fclose(f);
    pid_t pid = fork();
    if (pid == 0) {
        execl(MOSQUITTO, MOSQUITTO, "-c", file, (char *)NULL);
        _exit(127);
    }
    const struct timespec pause = {0, 20 * 1000 * 1000};
    for (int i = 0; i < 500 && !port_answers(port); i++)
        nanosleep(&pause, NULL);
    return pid;
}

static void process_end(pid_t pid, int signal)
{
    kill(pid, signal);
    waitpid(pid, NULL, 0);
}

/* -- a link on a worker -------------------------------------------------------------------------------------------- */

static void bench_start_keep_alive(struct bench *b, const char *host, uint16_t port, unsigned max_attempts,
                                   uint64_t keep_alive_us)
{
    bench_init(b, worker_create("test", 0));
    const struct link_config config = {
        .worker = b->worker,
        .events = &bench_events,
        .ctx = b,
        .filters = filters,
        .everywhere_filters = everywhere,
        .presence_topic = "mdm/at/me/0",
        .presence = "here",
    };
    struct link_url url = {.port = port};
    snprintf(url.host, sizeof(url.host), "%s", host);
    const struct link_mqtt_config mqtt = {
        .urls = &url,
        .url_count = 1,
        .client_id = "test-link",
        .keep_alive_us = keep_alive_us,
        .max_attempts = max_attempts,
        .max_payload = 64 * KIB,
    };
    b->link = link_mqtt_create(&config, &mqtt);
    worker_start(b->worker);
    link_start(b->link);
}

static void bench_start(struct bench *b, const char *host, uint16_t port, unsigned max_attempts)
{
    bench_start_keep_alive(b, host, port, max_attempts, 20 * US_PER_S);
}

static void bench_end(struct bench *b)
{
    worker_stop(b->worker);
    link_free(&b->link);
    OK(b->link == NULL);
    OK_INT(b->errors, 0);
    worker_free(&b->worker);
    bench_done(b);
}

/* -- cases --------------------------------------------------------------------------------------------------------- */

static uint16_t mosquitto_port;

static void comes_up_and_talks(void)
{
    struct bench b;
    char note[64], there[] = "there";
    bench_start(&b, "127.0.0.1", mosquitto_port, 0);
    if (OK(bench_await(&b, &b.ups, 1))) {
        snprintf(note, sizeof(note), "127.0.0.1:%u", mosquitto_port);
        OK_TEXT(b.note, note);
        OK(bench_await(&b, &b.messages, 1)); /* our own presence */
        OK_TEXT(b.topic, "mdm/at/me/0");
        OK_TEXT(b.text, "here");
        struct bench_publish p = {"mdm/to/me/x", "hello"};
        OK(bench_do(&b, bench_do_publish, &p));
        OK(bench_await(&b, &b.messages, 2));
        OK_TEXT(b.topic, "mdm/to/me/x");
        OK_TEXT(b.text, "hello");
        OK(bench_do(&b, bench_do_presence, there));
        OK(bench_await(&b, &b.messages, 3));
        OK_TEXT(b.text, "there");
        OK_INT(link_max_payload(b.link), 64 * KIB);
        size_t room = 0;
        OK(bench_do(&b, bench_do_room, &room));
        OK_INT(room, 64 * KIB);
    }
    OK(bench_do(&b, bench_do_close, NULL));
    OK(bench_do(&b, bench_do_close, NULL));
    OK(bench_await(&b, &b.downs, 1));
    OK(b.never_again);
    size_t room = 1;
    OK(bench_do(&b, bench_do_room, &room));
    OK_INT(room, 0);
    bench_end(&b);
}

/* The presence of the link before was cleared, by its close or by the broker with the will. */
static void presence_is_cleared(void)
{
    struct bench b;
    bench_start(&b, "localhost", mosquitto_port, 0);
    OK(bench_await(&b, &b.ups, 1));
    OK(bench_await(&b, &b.messages, 1));
    OK_INT(b.retained, 0);
    OK_TEXT(b.text, "here");
    bench_end(&b); /* without a close before: link_free() does it */
}

static void flood(size_t size, unsigned count)
{
    struct bench b;
    char topic[] = "mdm/to/me/flood";
    bench_start(&b, "127.0.0.1", mosquitto_port, 0);
    OK(bench_await(&b, &b.ups, 1));
    OK(bench_await(&b, &b.messages, 1));
    b.flood_size = size;
    for (unsigned sent = 0; sent < count; sent += 100) { /* mosquitto queues 1000 at most */
        b.flood_left = 100;
        OK(bench_do(&b, bench_do_flood, topic));
        OK(bench_await(&b, &b.messages, 1 + sent + 100));
    }
    OK_INT(b.messages, count + 1);
    bench_end(&b);
}

static void large_messages_arrive_in_order(void) { flood(60000, 1000); }
static void small_messages_arrive_in_order(void) { flood(20, 3000); }

static void comes_back(void)
{
    struct bench b;
    uint16_t port = port_free();
    pid_t broker = mosquitto_start(port);
    bench_start(&b, "127.0.0.1", port, 0);
    OK(bench_await(&b, &b.ups, 1));
    process_end(broker, SIGKILL);
    OK(bench_await(&b, &b.downs, 1));
    OK(!b.never_again);
    struct bench_publish p = {"mdm/to/me/x", "lost"};
    OK(bench_do(&b, bench_do_publish, &p));
    OK(bench_await(&b, &b.downs, 2)); /* nobody there */
    broker = mosquitto_start(port);
    OK(bench_await(&b, &b.ups, 2));
    unsigned before = bench_read(&b, &b.messages);
    p.text = "again";
    OK(bench_do(&b, bench_do_publish, &p));
    OK(bench_await(&b, &b.messages, before + 1));
    unsigned downs = bench_read(&b, &b.downs);
    process_end(broker, SIGTERM); /* this one says goodbye */
    OK(bench_await(&b, &b.downs, downs + 1));
    bench_end(&b);
}

static void gives_up(void)
{
    struct bench b;
    bench_start(&b, "127.0.0.1", port_free(), 2);
    OK(bench_await(&b, &b.downs, 2));
    OK(b.never_again);
    OK_INT(b.ups, 0);
    OK(strstr(b.why, "Connection refused") != NULL);
    bench_end(&b);
}

static void unknown_host(void)
{
    struct bench b;
    bench_start(&b, "no-such-host.invalid", 1, 1);
    OK(bench_await(&b, &b.downs, 1));
    OK(b.never_again);
    OK(strncmp(b.why, "no-such-host.invalid: ", 22) == 0);
    bench_end(&b);
}

static void freed_before_it_starts(void)
{
    struct bench b;
    bench_init(&b, worker_create("test", 0));
    const struct link_config config = {.worker = b.worker, .events = &bench_events, .ctx = &b};
    const struct link_url url = {.host = "h"};
    const struct link_mqtt_config mqtt = {.urls = &url, .url_count = 1, .client_id = "c", .username = "u", .password = "p"};
    b.link = link_mqtt_create(&config, &mqtt);
    OK(b.link != NULL);
    bench_end(&b);
}

static void closed_while_connecting(void)
{
    struct bench b;
    bench_start(&b, "127.0.0.1", mosquitto_port, 0);
    OK(bench_do(&b, bench_do_close, NULL));
    bench_end(&b);
    OK_INT(b.ups, 0);
}

/* -- brokers of our own making ------------------------------------------------------------------------------------- */

enum broker_end { GOES_ON, DISMISSES, FALLS_SILENT };

struct own_broker {
    int listener;
    unsigned version; /* 4: refuses MQTT 5 */
    bool refuses_all;
    enum broker_end end; /* once the presence is there */
    bool silent;
    atomic_uint refused, taken, acknowledged, pings;
    pthread_t thread;
};

static bool packet_read(int fd, uint8_t *packet, size_t size, size_t *len)
{
    if (recv(fd, packet, 2, MSG_WAITALL) != 2)
        return false;
    *len = packet[1]; /* what the test sends is shorter than 128 bytes */
    return *len < size - 2 && (*len == 0 || recv(fd, packet + 2, *len, MSG_WAITALL) == (ssize_t)*len);
}

static void answer(int fd, const uint8_t *bytes, size_t len)
{
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    (void)sent;
}

#define ANSWER(fd, ...) answer(fd, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static bool own_broker_connect(struct own_broker *o, int fd, unsigned version)
{
    if (version > o->version || o->refuses_all) {
        o->refused++;
        ANSWER(fd, 0x20, 2, 0, version > o->version ? 1 : 5);
        return false;
    }
    o->taken++;
    if (version == 5)
        ANSWER(fd, 0x20, 3, 0, 0, 0);
    else
        ANSWER(fd, 0x20, 2, 0, 0);
    return true;
}

static bool own_broker_acknowledge(struct own_broker *o, int fd, const uint8_t *id)
{
    if (o->end == DISMISSES) { /* together: the second is not the first of what arrives */
        ANSWER(fd, 0x40, 2, id[0], id[1], 0xe0, 2, 0x8b, 0);
        return false;
    }
    ANSWER(fd, 0x40, 2, id[0], id[1]);
    o->acknowledged++;
    o->silent = o->end == FALLS_SILENT;
    return true;
}

static bool own_broker_answer(struct own_broker *o, int fd, const uint8_t *packet, size_t len)
{
    switch (packet[0] & 0xf0) {
    case 0x10: /* CONNECT: the level stands behind the name */
        return own_broker_connect(o, fd, packet[8]);
    case 0x80: /* SUBSCRIBE of one filter */
        if (o->version == 5)
            ANSWER(fd, 0x90, 4, packet[2], packet[3], 0, packet[2 + len - 1] & 3);
        else
            ANSWER(fd, 0x90, 3, packet[2], packet[3], packet[2 + len - 1]);
        return true;
    case 0x30: /* PUBLISH */
        return (packet[0] & 6) == 0 || own_broker_acknowledge(o, fd, packet + 4 + packet[3]);
    case 0xc0: /* PINGREQ */
        o->pings++;
        if (!o->silent)
            ANSWER(fd, 0xd0, 0);
        return true;
    default:
        return packet[0] != 0xe0;
    }
}

static void *own_broker_run(void *arg)
{
    struct own_broker *o = arg;
    uint8_t packet[130];
    size_t len;
    for (int fd; (fd = accept4(o->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd))
        while (packet_read(fd, packet, sizeof(packet), &len) && own_broker_answer(o, fd, packet, len))
            ;
    return NULL;
}

static uint16_t own_broker_start(struct own_broker *o)
{
    uint16_t port = 0;
    o->listener = listener_open(&port);
    pthread_create(&o->thread, NULL, own_broker_run, o);
    return port;
}

static void own_broker_stop(struct own_broker *o)
{
    shutdown(o->listener, SHUT_RDWR);
    pthread_join(o->thread, NULL);
    close(o->listener);
}

static void falls_back_to_3_1_1(void)
{
    struct own_broker o = {.version = 4};
    struct bench b;
    bench_start(&b, "127.0.0.1", own_broker_start(&o), 3);
    OK(bench_await(&b, &b.ups, 1));
    OK_INT(o.refused, 1);
    OK_INT(o.taken, 1);
    bench_do(&b, bench_do_close, NULL);
    bench_end(&b);
    own_broker_stop(&o);
}

static void tells_why_it_is_refused(void)
{
    struct own_broker o = {.version = 4, .refuses_all = true};
    struct bench b;
    bench_start(&b, "127.0.0.1", own_broker_start(&o), 1);
    OK(bench_await(&b, &b.downs, 1));
    OK(strstr(b.why, "not authorized") != NULL);
    OK_INT(b.ups, 0);
    bench_end(&b);
    own_broker_stop(&o);
}

static void tells_why_it_is_dismissed(void)
{
    struct own_broker o = {.version = 5, .end = DISMISSES};
    struct bench b;
    bench_start(&b, "127.0.0.1", own_broker_start(&o), 0);
    OK(bench_await(&b, &b.downs, 1));
    OK_INT(b.ups, 1);
    OK_TEXT(b.why, "server shutting down");
    bench_end(&b);
    own_broker_stop(&o);
}

static void notices_silence(void)
{
    struct own_broker o = {.version = 5, .end = FALLS_SILENT};
    struct bench b;
    bench_start_keep_alive(&b, "127.0.0.1", own_broker_start(&o), 0, US_PER_S);
    OK(bench_await(&b, &b.ups, 1));
    uint64_t since = clock_now_us();
    OK(bench_await(&b, &b.downs, 1));
    uint64_t took_us = clock_now_us() - since;
    OK(took_us > US_PER_S && took_us < 10 * US_PER_S);
    OK_TEXT(b.why, "no sign of life from the broker");
    OK_INT(o.pings, 1);
    bench_end(&b);
    own_broker_stop(&o);
}

static void stays_alive_when_idle(void)
{
    struct own_broker o = {.version = 5};
    struct bench b;
    bench_start_keep_alive(&b, "127.0.0.1", own_broker_start(&o), 0, US_PER_S);
    OK(bench_await(&b, &b.ups, 1));
    const struct timespec pause = {0, 50 * 1000 * 1000};
    for (int i = 0; i < 200 && o.pings < 2; i++)
        nanosleep(&pause, NULL);
    OK(o.pings >= 2);
    OK_INT(b.downs, 0);
    /* More of them than may wait for their acknowledgment: the last one gets through, whatever becomes of the others. */
    char text[16];
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof(text), "%d", i);
        OK(bench_do(&b, bench_do_presence, text));
    }
    for (int i = 0; i < 200 && o.acknowledged < 11; i++)
        nanosleep(&pause, NULL);
    OK(o.acknowledged >= 11);
    OK_INT(b.downs, 0);
    bench_end(&b);
    own_broker_stop(&o);
}

int main(void)
{
    if (access(MOSQUITTO, X_OK) != 0) {
        printf("1..0 # SKIP no mosquitto\n");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(directory) == NULL)
        return 1;
    mosquitto_port = port_free();
    pid_t broker = mosquitto_start(mosquitto_port);
    const struct tap_case cases[] = {
        {"comes up and talks", comes_up_and_talks},
        {"presence is cleared at the end", presence_is_cleared},
        {"large messages arrive in order", large_messages_arrive_in_order},
        {"small messages arrive in order", small_messages_arrive_in_order},
        {"comes back after the broker was away", comes_back},
        {"gives up after max_attempts", gives_up},
        {"unknown host", unknown_host},
        {"freed before it starts", freed_before_it_starts},
        {"closed while connecting", closed_while_connecting},
        {"falls back to MQTT 3.1.1", falls_back_to_3_1_1},
        {"tells why it is refused", tells_why_it_is_refused},
        {"tells why the broker dismissed it", tells_why_it_is_dismissed},
        {"notices that the broker is silent", notices_silence},
        {"stays alive when idle", stays_alive_when_idle},
    };
    int status = TAP_RUN(cases);
    process_end(broker, SIGTERM);
    char file[128];
    snprintf(file, sizeof(file), "%s/mosquitto.conf", directory);
    unlink(file);
    rmdir(directory);
    return status;
}
