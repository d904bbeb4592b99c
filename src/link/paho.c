/* SPDX-License-Identifier: Apache-2.0 */
/* One MQTT connection made with paho.mqtt.c: the only file that knows it. */
#include "link/paho.h"

#include <MQTTClient.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/object.h"
#include "link/proxy.h"
#include "mdm-tunnel/limits.h"

#define PAHO_MAGIC 0x5041484f
/* A packet's fixed head, topic and properties beyond its payload. */
#define PACKET_HEAD_MAX (1 * KIB)
#define SUBSCRIPTIONS_MAX 16
/* MQTT 3.1.1 2.2.3, MQTT 5 2.4: a SUBACK's codes from here on refuse. */
#define SUBACK_REFUSED 0x80
#define INFLIGHT_MAX 10
/* Under 100 ms: at and above that paho sleeps whenever it finds nothing to read. */
#define SETTLE_STEP_MS 50
#define URI_MAX 600

struct paho {
    OBJECT_MAGIC;
    MQTTClient handle;
    enum paho_version version;
    struct paho_limits limits;
};

__attribute__((format(printf, 2, 3))) static void error_set(struct paho_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
}

/* -- connecting ---------------------------------------------------------------------------------------------------- */

void paho_address_text(const struct sockaddr *address, socklen_t len, char *out, size_t size)
{
    char host[128], port[16];
    if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, size, "?");
    else
        snprintf(out, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* "tcp://127.0.0.1:1883", "wss://broker.example.com:443/mqtt" */
static void paho_uri(const struct paho_config *config, const struct sockaddr *address, socklen_t len, char *out,
                     size_t size)
{
    char text[160];
    bool v6 = strchr(config->host, ':') != NULL;
    if (!config->tls && config->path == NULL && config->proxy == NULL) {
        paho_address_text(address, len, text, sizeof(text));
        snprintf(out, size, "tcp://%s", text);
        return;
    }
    const char *scheme = config->path != NULL ? (config->tls ? "wss" : "ws") : config->tls ? "ssl" : "tcp";
    snprintf(out, size, v6 ? "%s://[%s]:%u%s" : "%s://%s:%u%s", scheme, config->host, config->port,
             config->path != NULL ? config->path : "");
}

static int paho_handle_create(struct paho *p, const struct paho_config *config, const struct sockaddr *address,
                              socklen_t len)
{
    char uri[URI_MAX];
    paho_uri(config, address, len, uri, sizeof(uri));
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = p->version;
    const char *id = config->client_id;
    return MQTTClient_createWithOptions(&p->handle, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
}

/* `protos` is in the form of the wire (RFC 7301 3.1) and must live as long as the options. */
static void paho_tls(const struct paho_config *config, MQTTClient_SSLOptions *out, unsigned char protos[static 256])
{
    out->enableServerCertAuth = 1;
    out->verify = 1;
    out->trustStore = config->ca_file;
    out->keyStore = config->cert_file;
    out->privateKey = config->key_file;
    if (config->alpn == NULL)
        return;
    size_t len = strlen(config->alpn);
    assert(len > 0 && len < 256);
    protos[0] = (unsigned char)len;
    memcpy(protos + 1, config->alpn, len);
    out->protos = protos;
    out->protos_len = (unsigned)len + 1;
}

static const char *refusal_text(int code, enum paho_version version)
{
    static const char *const connack[] = {
        /* MQTT 3.1.1 3.2.2.3 */
        [1] = "unacceptable protocol version", [2] = "client identifier rejected", [3] = "server unavailable",
        [4] = "bad user name or password",     [5] = "not authorized",
    };
    if (code < 0)
        return "no connection";
    if (version == PAHO_MQTT_3_1_1 && (size_t)code < sizeof(connack) / sizeof(connack[0]) && connack[code] != NULL)
        return connack[code];
    const char *text = MQTTReasonCode_toString((enum MQTTReasonCodes)code);
    return text != NULL ? text : "refused";
}

/* A broker of the 3.1.1 age answers MQTT 5 with its own CONNACK (code 1), which paho may not be able to read, or with
 * nothing but the end of the connection; one that knows MQTT 5 with 0x84. */
static bool refusal_is_version(int code)
{
    return code == 1 || code == MQTTREASONCODE_UNSUPPORTED_PROTOCOL_VERSION;
}

/* False when it was said to be so. */
static bool is_available(MQTTProperties *said, enum MQTTPropertyCodes what)
{
    return !MQTTProperties_hasProperty(said, what) || MQTTProperties_getNumericValue(said, what) != 0;
}

static int paho_connect_5(struct paho *p, MQTTClient_connectOptions *options, size_t max_payload)
{
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty packet_max = {.identifier = MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE};
    packet_max.value.integer4 = (unsigned)(max_payload + PACKET_HEAD_MAX);
    MQTTProperties_add(&properties, &packet_max);
    MQTTResponse answer = MQTTClient_connect5(p->handle, options, &properties, NULL);
    int rc = (int)answer.reasonCode;
    if (answer.properties != NULL) {
        int max = MQTTProperties_getNumericValue(answer.properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE);
        if (max > 0)
            p->limits.packet_max = (size_t)max;
        p->limits.retain = is_available(answer.properties, MQTTPROPERTY_CODE_RETAIN_AVAILABLE);
        p->limits.wildcards = is_available(answer.properties, MQTTPROPERTY_CODE_WILDCARD_SUBSCRIPTION_AVAILABLE);
    }
    MQTTResponse_free(answer);
    MQTTProperties_free(&properties);
    return rc;
}

/* The form that paho wants: without a scheme. */
static void paho_proxy(const struct link_proxy *proxy, char *out, size_t size)
{
    bool v6 = strchr(proxy->host, ':') != NULL, user = proxy->user[0] != '\0';
    snprintf(out, size, v6 ? "%s%s[%s]:%u" : "%s%s%s:%u", proxy->user, user ? "@" : "", proxy->host, proxy->port);
}

static int paho_handshake(struct paho *p, const struct paho_config *config)
{
    MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions options3 = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions *options = p->version == PAHO_MQTT_5 ? &options5 : &options3;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    unsigned char protos[256];
    if (config->tls) {
        paho_tls(config, &tls, protos);
        options->ssl = &tls;
    }
    char proxy[URI_MAX];
    if (config->proxy != NULL) {
        paho_proxy(config->proxy, proxy, sizeof(proxy));
        *(config->tls ? &options->httpsProxy : &options->httpProxy) = proxy;
    }
    options->MQTTVersion = p->version;
    options->keepAliveInterval = (int)config->keep_alive_s;
    options->connectTimeout = (int)config->timeout_s;
    options->reliable = 0;
    options->maxInflightMessages = INFLIGHT_MAX;
    options->username = config->username;
    options->password = config->password;
    if (config->will_topic != NULL) {
        will.topicName = config->will_topic;
        will.message = "";
        will.retained = 1;
        will.qos = 1;
        options->will = &will;
    }
    return p->version == PAHO_MQTT_5 ? paho_connect_5(p, options, config->max_payload)
                                     : MQTTClient_connect(p->handle, options);
}

struct paho *paho_connect(const struct paho_config *config, enum paho_version version, const struct sockaddr *address,
                          socklen_t address_len, struct paho_error *err)
{
    struct paho *p;
    ALLOC_OBJECT(p, PAHO_MAGIC);
    memset(err, 0, sizeof(*err));
    if (p == NULL) {
        error_set(err, "out of memory");
        return NULL;
    }
    p->version = version;
    p->limits = (struct paho_limits){.packet_max = SIZE_MAX, .retain = true, .wildcards = true};
    int rc = paho_handle_create(p, config, address, address_len);
    if (rc != MQTTCLIENT_SUCCESS) {
        error_set(err, "cannot make an MQTT client (%d)", rc);
        paho_free(&p);
        return NULL;
    }
    rc = paho_handshake(p, config);
    if (rc != MQTTCLIENT_SUCCESS) {
        error_set(err, "%s", refusal_text(rc, version));
        err->version = refusal_is_version(rc);
        err->silent = rc < 0;
        paho_free(&p);
        return NULL;
    }
    MQTTClient_setCommandTimeout(p->handle, config->timeout_s * 1000UL);
    return p;
}

/* -- connected ----------------------------------------------------------------------------------------------------- */

static int subscribe_5(struct paho *p, char *const *filters, int count, int *codes)
{
    MQTTSubscribe_options options[SUBSCRIPTIONS_MAX];
    for (int i = 0; i < count; i++)
        options[i] = (MQTTSubscribe_options)MQTTSubscribe_options_initializer;
    MQTTResponse answer = MQTTClient_subscribeMany5(p->handle, count, filters, codes, options, NULL);
    int rc = (int)answer.reasonCode;
    for (int i = 0; i < count && rc >= 0; i++)
        codes[i] = answer.reasonCodes != NULL && i < answer.reasonCodeCount ? (int)answer.reasonCodes[i] : rc;
    MQTTResponse_free(answer);
    return rc < 0 ? rc : MQTTCLIENT_SUCCESS;
}

bool paho_subscribe(struct paho *p, char *const *filters, int qos, struct paho_error *err)
{
    int codes[SUBSCRIPTIONS_MAX], count = 0;
    memset(err, 0, sizeof(*err));
    for (; filters[count] != NULL; count++) {
        assert(count < SUBSCRIPTIONS_MAX);
        codes[count] = qos;
    }
    if (count == 0)
        return true;
    int rc = p->version == PAHO_MQTT_5 ? subscribe_5(p, filters, count, codes)
                                       : MQTTClient_subscribeMany(p->handle, count, filters, codes);
    if (rc != MQTTCLIENT_SUCCESS) {
        error_set(err, "no answer to the subscription");
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (codes[i] >= SUBACK_REFUSED) {
            error_set(err, "subscription to %s refused", filters[i]);
            return false;
        }
    }
    return true;
}

static int publish(struct paho *p, const char *topic, const void *payload, size_t len, int qos, bool retain,
                   MQTTClient_deliveryToken *token)
{
    if (p->version == PAHO_MQTT_3_1_1)
        return MQTTClient_publish(p->handle, topic, (int)len, payload, qos, retain, token);
    MQTTResponse answer = MQTTClient_publish5(p->handle, topic, (int)len, payload, qos, retain, NULL, token);
    int rc = (int)answer.reasonCode;
    MQTTResponse_free(answer);
    return rc;
}

/* How many QoS 1 messages the broker has not acknowledged. */
static unsigned unacknowledged(struct paho *p)
{
    MQTTClient_deliveryToken *tokens = NULL;
    unsigned count = 0;
    if (MQTTClient_getPendingDeliveryTokens(p->handle, &tokens) != MQTTCLIENT_SUCCESS || tokens == NULL)
        return 0;
    while (tokens[count] != -1)
        count++;
    MQTTClient_free(tokens);
    return count;
}

bool paho_retain(struct paho *p, const char *topic, const char *text)
{
    CHECK_OBJECT(p, PAHO_MAGIC);
    MQTTClient_deliveryToken token = 0;
    return unacknowledged(p) < INFLIGHT_MAX &&
           publish(p, topic, text, strlen(text), 1, true, &token) == MQTTCLIENT_SUCCESS;
}

bool paho_publish(struct paho *p, const char *topic, const void *payload, size_t len)
{
    CHECK_OBJECT(p, PAHO_MAGIC);
    return publish(p, topic, payload, len, 0, false, NULL) == MQTTCLIENT_SUCCESS;
}

/* -- receiving ----------------------------------------------------------------------------------------------------- */

static enum paho_got receive(struct paho *p, struct paho_message *out, unsigned timeout_ms)
{
    char *topic = NULL;
    int topic_len = 0;
    MQTTClient_message *message = NULL;
    int rc = MQTTClient_receive(p->handle, &topic, &topic_len, &message, timeout_ms);
    if (message == NULL)
        return rc == MQTTCLIENT_FAILURE || rc == MQTTCLIENT_DISCONNECTED ? PAHO_LOST : PAHO_NOTHING;
    bool plain = rc != MQTTCLIENT_TOPICNAME_TRUNCATED; /* no NUL inside */
    *out = (struct paho_message){.topic = topic,
                                 .payload = message->payload,
                                 .len = message->payloadlen > 0 ? (size_t)message->payloadlen : 0,
                                 .retained = message->retained != 0,
                                 .memory = {topic, message}};
    if (!plain)
        paho_message_done(out);
    return plain ? PAHO_MESSAGE : PAHO_NOTHING;
}

enum paho_got paho_receive(struct paho *p, struct paho_message *out)
{
    CHECK_OBJECT(p, PAHO_MAGIC);
    return receive(p, out, 0);
}

void paho_message_done(struct paho_message *m)
{
    MQTTClient_message *message = m->memory[1];
    MQTTClient_freeMessage(&message);
    MQTTClient_free(m->memory[0]);
}

void paho_settle(struct paho *p, unsigned timeout_ms)
{
    CHECK_OBJECT(p, PAHO_MAGIC);
    struct paho_message m;
    enum paho_got got = PAHO_NOTHING;
    uint64_t until = clock_now_us() + timeout_ms * US_PER_MS;
    while (got != PAHO_LOST && unacknowledged(p) > 0 && clock_now_us() < until) {
        got = receive(p, &m, SETTLE_STEP_MS);
        if (got == PAHO_MESSAGE)
            paho_message_done(&m);
    }
}

const struct paho_limits *paho_limits(const struct paho *p) { return &p->limits; }

void paho_free(struct paho **p)
{
    if (*p == NULL)
        return;
    struct paho *gone;
    TAKE_OBJECT(gone, p, PAHO_MAGIC);
    if (gone->handle != NULL) {
        MQTTClient_disconnect(gone->handle, 0);
        MQTTClient_destroy(&gone->handle);
    }
    FREE_OBJECT(gone);
}
