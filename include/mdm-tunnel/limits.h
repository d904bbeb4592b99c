/* SPDX-License-Identifier: Apache-2.0 */
/* Every maximum of the project, with its unit and its reason. Nothing grows without one of these. */
#ifndef MDM_TUNNEL_LIMITS_H
#define MDM_TUNNEL_LIMITS_H

#define KIB (1024u)
#define MIB (1024u * 1024u)

/* -- names ------------------------------------------------------------------------------------------------------- */

/* A client id and a service name are each one DNS label (RFC 1035 2.3.4). */
#define NAME_MAX_BYTES 63
/* The prefix of our topics; leaves room for two instance ids below NATS's and AWS IoT's topic limits (256 bytes). */
#define TOPIC_PREFIX_MAX 64
/* Random 128-bit instance id, as lower-case hexadecimal digits. */
#define INSTANCE_BYTES 16
#define INSTANCE_TEXT_BYTES 32
/* Its first digits say where it runs: processes that follow one another there have the same ones. */
#define INSTANCE_PLACE_BYTES 16
/* Places in one state directory: programs that run at the same time with it. */
#define INSTANCE_PLACES_MAX 64

/* -- workers ----------------------------------------------------------------------------------------------------- */

/* More loops than this only add switching on any machine we know. */
#define WORKERS_MAX 64
/* Mails that wait at one worker before new work is refused: some tens of milliseconds of work. */
#define WORKER_MAIL_MAX 65536
/* Rounds of mail and work in one turn before sockets are looked at again. */
#define WORKER_ROUNDS_MAX 8

/* Freed memory that a thread's heap keeps: what one session has in flight comes and goes many times a second. Blocks from
 * the second size on are mapped one by one; none of ours that is made often is that large. */
#define HEAP_KEPT_MAX (8 * MIB)
#define HEAP_BLOCK_MAX (1 * MIB)

/* -- wire -------------------------------------------------------------------------------------------------------- */

/* One envelope with its head: through the embedded broker, and through any other (RabbitMQ, NATS, AWS IoT: 128 KiB). */
#define ENVELOPE_MAX_EMBEDDED (128 * KIB)
#define ENVELOPE_MAX_BROKER (64 * KIB)
/* Frames that are not DATA are collected before they are read: OPEN with its options is the largest but for SERVICES. */
#define FRAME_CONTROL_MAX (16 * KIB)
/* SERVICES: a thousand services with the longest names take 68 KiB, the rest is for rules. */
#define FRAME_SERVICES_MAX (256 * KIB)
/* PUBLIC: three numbers, a service, a name of 253 bytes (RFC 1035 2.3.4). */
#define PUBLIC_HOST_MAX 253
#define FRAME_PUBLIC_MAX (2 + 2 + 1 + 1 + NAME_MAX_BYTES + PUBLIC_HOST_MAX)
/* Rules for visitors of one service, as they travel in SERVICES. */
#define SERVICE_RULES_MAX (16 * KIB)
/* Data of one stream goes out in quanta of this size, in turn with the others. */
#define FRAME_DATA_QUANTUM (16 * KIB)

/* One frame of a WebSocket that we end ourselves: some MQTT packets. */
#define WEBSOCKET_FRAME_MAX (1 * MIB)
/* The request that asks for a WebSocket: browsers send cookies with it; and its fields. */
#define WEBSOCKET_REQUEST_MAX (8 * KIB)
#define WEBSOCKET_REQUEST_FIELDS_MAX 64

/* -- session ----------------------------------------------------------------------------------------------------- */

/* Unacknowledged bytes of one session, each way: the start, and the bounds of the adaptive window. */
#define SESSION_WINDOW_MIN (64 * KIB)
#define SESSION_WINDOW_LAN (1 * MIB)
#define SESSION_WINDOW_MAX (16 * MIB)
/* What a foreign broker may hold for us: mosquitto drops beyond 1000 messages, NATS disconnects at 64 MB. Bytes: 200 Mbit/s
 * at 100 ms, which mosquitto's Nagle doubles for acknowledgements, with room. */
#define SESSION_ENVELOPES_BROKER 256
#define SESSION_WINDOW_BROKER (8 * MIB)
/* Envelopes unacknowledged, and held behind a gap: bounds what many small ones cost beside their bytes. */
#define SESSION_ENVELOPES_MAX 2048
/* A peer that takes smaller envelopes than this is refused: heads would outweigh what they carry. */
#define SESSION_ENVELOPE_MIN (1 * KIB)
/* Sessions that one process holds: 2 KiB each when idle. */
#define SESSIONS_MAX 65536

/* -- peers ------------------------------------------------------------------------------------------------------- */

/* Presence: instances that are there (as many as the broker retains), those of one id, and ids remembered as offline. */
#define INSTANCES_MAX 131072
#define INSTANCES_PER_ID_MAX 64
#define IDS_SEEN_MAX 65536
/* The share of one instance among those of its id: a hundred to one is more than any two machines differ. */
#define WEIGHT_MAX 1000
/* Services that one instance is known to refuse; visitors choose the names, so the oldest gives way. */
#define REFUSALS_PER_INSTANCE_MAX 16
/* Sessions that one instance may begin with us: one for each worker that cannot know of the others' yet. */
#define SESSIONS_PER_INSTANCE_MAX 4
/* Sessions with former processes in a newcomer's place that are looked at: more than one is rare. */
#define FORMER_SESSIONS_MAX 8
/* BYEs to strangers that one worker sends in a second: enough after a restart, too few to be of use to anybody else. */
#define GOODBYES_PER_SECOND_MAX 1000
/* Questions for a peer's services that wait at one session. */
#define QUESTIONS_PER_SESSION_MAX 256
/* Mails between the ends of streams that one worker keeps for their next use: 0.2 MiB. */
#define PARCELS_KEPT_MAX 1024

/* -- seal -------------------------------------------------------------------------------------------------------- */

/* Records that wait for the next envelope: a handshake's flight is 1 KiB, an answer to a change of keys 27 bytes. */
#define SEAL_PENDING_MAX (16 * KIB)
/* Handshakes with clients that have not proven their id yet, at one time on one worker: 50 KiB each. */
#define PROOFS_PER_WORKER_MAX 1024

/* -- TLS of listeners ---------------------------------------------------------------------------------------------- */

/* Certificates with keys of one program, each a context of 20 KiB and more; a wildcard serves any number of names. */
#define TLS_PAIRS_MAX 64
/* Names of all of them: what authorities put into one certificate (100) each. */
#define TLS_NAMES_MAX 6400
/* A name without its final dot (RFC 1035 2.3.4). */
#define TLS_NAME_BYTES 253
/* Certificates behind the server's own in its file; real chains have one to three. */
#define TLS_CHAIN_MAX 16
/* What a client may send as its certificates: a handshake that is not trusted yet. */
#define TLS_CLIENT_CHAIN_BYTES_MAX (16 * KIB)
/* Seconds: how long a session may be taken up again, and how long a key seals new tickets (it opens them as long again). */
#define TLS_SESSION_S 7200
#define TLS_TICKET_KEY_S 43200

/* -- revoked certificates ------------------------------------------------------------------------------------------ */

/* Threads that ask: each waits for one server at a time. */
#define REVOKE_THREADS 4
/* Chains that wait for a thread; more are refused at once. */
#define REVOKE_WAITING_MAX 256
/* Certificates whose state is kept: some 200 bytes each. */
#define REVOKE_KNOWN_MAX 16384
/* From question to answer: below the ten seconds that a stranger has. */
#define REVOKE_TIMEOUT_MS 5000
/* Seconds: how long what is known is not asked again, if it does not end earlier itself. */
#define REVOKE_MAX_AGE_S 3600
/* How long a server that did not answer is left alone, and how many are remembered: who waits for it keeps a thread busy. */
#define REVOKE_RETRY_MS 5000
#define REVOKE_FAILURES_MAX 32
/* Seconds that clocks may differ by (OCSP). */
#define REVOKE_SKEW_S 300
/* Seconds before a list is fetched again that had ended when it came, or could not be fetched. */
#define REVOKE_LISTS_REFRESH_S 10
/* An OCSP answer: one certificate's state and the responder's own certificate, 2 KiB. */
#define REVOKE_OCSP_BYTES_MAX (64 * KIB)
/* A list: large authorities have lists of some megabytes. And how many are kept. */
#define REVOKE_CRL_BYTES_MAX (16 * MIB)
#define REVOKE_LISTS_MAX 64
#define REVOKE_FILES_MAX 32
/* Places that one certificate names, and a URL. */
#define REVOKE_SOURCES_MAX 8
#define REVOKE_URL_MAX 2048
/* A question that goes into a URL (RFC 6960 A.1), and its nonce (RFC 8954 2.1: up to 32). */
#define REVOKE_GET_MAX 255
#define REVOKE_NONCE_BYTES 32

/* -- mux --------------------------------------------------------------------------------------------------------- */

/* Credit of a stream at its start, and the most it may grow to (1.3 Gbit/s at 100 ms). */
#define STREAM_WINDOW_INITIAL (256 * KIB)
#define STREAM_WINDOW_MAX (16 * MIB)
/* Credit beyond the initial one that all streams of a session share: what stalled readers may pin at most. */
#define STREAM_WINDOW_EXTRA_MAX (64 * MIB)
/* Control frames that wait for the session: opens that wait for an answer, and an answer for every stream. */
#define MUX_CONTROL_MAX (2 * MIB)
/* Streams in one session: 10,000 idle WebSockets through one client, with room. */
#define STREAMS_PER_SESSION_MAX 32768
/* Streams that a client may open to a server in a second: there is nothing for it to open, and each refusal is work. */
#define OPENS_OF_CLIENT_PER_SECOND_MAX 100
/* Opens of one session that wait for an answer. */
#define STREAMS_PENDING_MAX 4096

/* -- public side ------------------------------------------------------------------------------------------------- */

/* Request line and header of a visitor (431/414 beyond); also the memory of an idle visitor's connection. As it comes: what
 * browsers send with some cookies, three times. At least: what heads of answers need there, too. At most: what fits our own
 * scratch with what we add. */
#define HTTP_REQUEST_HEAD_DEFAULT (24 * KIB)
#define HTTP_REQUEST_HEAD_MIN (16 * KIB)
#define HTTP_REQUEST_HEAD_MAX (32 * KIB)
/* Seconds for a request's header to come to its end, and for a connection without a request: slow phones need five. */
#define HTTP_HEAD_TIMEOUT_S 30
#define HTTP_IDLE_TIMEOUT_S 75
/* Seconds in which a body has to move, either way: players of films pause for longer than networks do. */
#define HTTP_STALL_TIMEOUT_S 120
/* Requests of one connection, which is closed then: what libraries and kernels keep for it begins anew. */
#define HTTP_REQUESTS_PER_CONNECTION 10000
/* Head of a service's response, trailers included. */
#define HTTP_RESPONSE_HEAD_MAX (64 * KIB)
#define HTTP_FIELDS_MAX 256
/* Fields that Connection names in one message; anything real names one or two. */
#define HTTP_CONNECTION_OPTIONS_MAX 16
/* A chunk's extension or the digits of its size. */
#define HTTP_CHUNK_LINE_MAX 256
/* Visitors' connections at one time, as it comes: with TLS 70 KiB each while they do something. What may be set at most. */
#define VISITORS_DEFAULT 65536
#define VISITORS_MAX 1048576
/* And those from one address: networks behind one address have some hundred open. */
#define VISITORS_PER_ADDRESS_DEFAULT 1024
/* New streams in a second for one address (requests take idle streams first), and how many seconds' worth at once: each is
 * a connection to a service, and a page has a hundred parts. */
#define OPENS_PER_SECOND_DEFAULT 1000
#define OPENS_BURST_S 10
/* Idle streams kept to one service by one worker, and by one worker in all. */
#define IDLE_STREAMS_PER_SERVICE_MAX 64
#define IDLE_STREAMS_PER_WORKER_MAX 1024
/* A request's body that waits for room in its stream: what one connection's buffer holds, as chunks of one byte. */
#define HTTP_REQUEST_WAITING_MAX (256 * KIB)
/* What of a request is kept until its service has taken it, to be sent to another machine if it refuses. */
#define HTTP_REQUEST_REPLAY_MAX (64 * KIB)
/* Parts of a response's body that wait for the visitor: a service that sends chunks of one byte is read more slowly. */
#define HTTP_BODY_PARTS_MAX 1024
/* Trailer section of a service's response, and the fields of it that are passed on. */
#define HTTP_TRAILER_MAX (4 * KIB)
#define HTTP_TRAILER_FIELDS_MAX 32
/* Exchanges without a request that one worker keeps for the next ones: 8 KiB each. */
#define EXCHANGES_SPARE_MAX 256
/* Visitors of one worker that wait for a client to come back. */
#define VISITORS_HELD_MAX 1024
/* Ids of clients that are remembered although they are not connected. */
#define CLIENTS_KNOWN_MAX 16384
/* Our own pages; a listing has two links of at most 400 bytes for each service. */
#define PAGE_MAX (16 * KIB)
#define LISTING_MAX (1 * MIB)
/* Bytes of a request body that are read and dropped after the service has answered early. */
#define HTTP_BODY_DROP_MAX (64 * MIB)

/* What the inspector keeps: requests, and bytes of memory for all of them; the first bytes of a body, each way; the last frames
 * of a WebSocket, and the first bytes of each. A page shows no more of them at once. */
#define INSPECT_RECORDS_MAX 10000
#define INSPECT_BYTES_MAX (64 * MIB)
#define INSPECT_BODY_MAX (64 * KIB)
#define INSPECT_FRAMES_MAX 1000
#define INSPECT_FRAME_MAX (4 * KIB)
/* Requests of one connection whose answers have not come: a server that tunnels sends one at a time. */
#define INSPECT_PIPELINE_MAX 16
/* What one answer of its interface has: lines of the list; bytes of an export, whose bodies take four times their size at most in
 * JSON, and of a request that is sent again after an edit. */
#define INSPECT_PAGE_MAX 1000
#define INSPECT_EXPORT_MAX (512 * MIB)
#define INSPECT_EDIT_MAX (1 * MIB)
/* Requests that are sent again and have no answer yet, and seconds until they are given up. */
#define INSPECT_RESENDS_MAX 64
#define INSPECT_RESEND_S 60

/* Public TCP ports that one client has and that are kept for it: each is a socket on each worker. */
#define PORTS_PER_CLIENT_MAX 64
/* Seconds for which a port is kept for a service that does not use it: a client may be away for its holidays. */
#define PORT_KEPT_S (30 * 24 * 3600)
/* Ports opened for one client at once, and in 1000 s after that: all that it may have, twice; an offer costs little to say again. */
#define PORTS_OPENED_AT_ONCE (2 * PORTS_PER_CLIENT_MAX)
#define PORTS_OPENED_PER_1000_S 1000
/* Ports that other programs have, tried for one service that takes any. */
#define PORT_TRIES_MAX 64
/* Connections of one worker whose first bytes are looked at: TLS, front proxies. */
#define ARRIVALS_PER_WORKER_MAX 4096
/* Connections taken in one turn before others are looked at again. */
#define ACCEPTS_PER_TURN 64
/* What a TLS connection holds for a side that does not take it, each way; four records. */
#define BRIDGE_BYTES (64 * KIB)
/* Services that TLS passes through to, remembered by one worker while their clients are away. */
#define SERVICES_PASSED_MAX 4096
/* A file of pages or of what is told to visitors: larger ones have their pictures elsewhere. And what it says after all. */
#define KEPT_FILE_MAX (64 * KIB)
#define TEMPLATE_PAGE_MAX (256 * KIB)
/* Entries of the list of clients' own domains: looked through for each request, in some microseconds. */
#define DOMAINS_MAX 1024
/*
 * Domains that are proven by TXT records, or wait for it: of one client, and in all, which is as many as are looked through for a
 * request. A client that offers others all the time has its own questions at once and in 1000 s, then waits; so has the server, whose
 * resolver is not ours to flood: 16 under way at one time, 100 at once and ten a second after that.
 */
#define PROOFS_PER_CLIENT_MAX 16
#define PROOFS_MAX 1024
#define PROOFS_UNDER_WAY_MAX 16
#define PROOFS_OF_CLIENT_AT_ONCE (4 * PROOFS_PER_CLIENT_MAX)
#define PROOFS_OF_CLIENT_PER_1000_S 500
#define PROOFS_AT_ONCE 100
#define PROOFS_PER_1000_S 10000
/* A domain that is not proven is asked for again after this, then after twice as long, up to the interval of proven ones: somebody is
 * setting the record just now, and what resolvers remember of its absence is short-lived. */
#define PROOF_AGAIN_S 10
/* Without an answer a proof holds so long: a resolver that is down takes nobody's site down, and a lost domain is not kept for ever. */
#define PROOF_STALE_S (24 * 3600)
/* The same while its client is away, and a record names it. */
#define PROOF_AWAY_S (30 * 24 * 3600)
/* One answer's wait for a resolver, and how often it is asked. */
#define PROOF_TIMEOUT_MS 3000
#define PROOF_TRIES 3
/* Of one TXT record: a name, a blank and a fingerprint; what is longer is none of ours. */
#define PROOF_TEXT_MAX 512
/* What a client remembers of what a server said of its domains: as many as a server looks at. */
#define DOMAINS_HEARD_MAX PROOFS_PER_CLIENT_MAX
/* Challenges of certificate authorities: a token has 43 characters, its file some 90 bytes. */
#define ACME_TOKEN_MAX 128
#define ACME_FILE_MAX (4 * KIB)
/* A head of the PROXY protocol; version 2 has room for options: certificates of visitors are the largest in use. */
#define PROXY_HEAD_MAX (4 * KIB)
/* A visitor's first TLS message, and what it is spread over: records of 20 bytes and more. */
#define CLIENT_HELLO_MAX (16 * KIB)
#define CLIENT_HELLO_PEEK_MAX (20 * KIB)

/* -- a program's own pages ----------------------------------------------------------------------------------------- */

/* Addresses that they are reached at: IPv4 and IPv6 of this machine and of a network. */
#define WEB_ADDRESSES_MAX 4
/* Connections to one address: browsers open six each, and who leaves them idle has them closed. Seconds without a byte. */
#define WEB_CONNECTIONS_MAX 64
#define WEB_TIMEOUT_S 15
/* Head of a request, with what libmicrohttpd needs for it: browsers send some KiB of cookies for localhost. */
#define WEB_HEAD_MAX (32 * KIB)
/* A token: shorter ones can be guessed, longer ones are none. */
#define WEB_TOKEN_MIN 16
#define WEB_TOKEN_MAX 256
/* Fields of an answer beside those that all answers have. */
#define WEB_REPLY_FIELDS_MAX 4

/* Services that a worker counts by name, 300 bytes each; and that /metrics names, as it does clients: what a monitoring system
 * takes from one program without trouble. */
#define TALLY_ROWS_MAX 1024
#define METRICS_NAMES_MAX 1024
#define METRICS_TEXT_MAX (8 * MIB)
/* Text of one worker's sessions or streams for the admin page: some thousand of each. More is cut off, and that is said. */
#define ADMIN_PART_MAX (2 * MIB)
#define ADMIN_BODY_MAX (4 * KIB)
/* Options of one client that is allowed at the admin page. */
#define ADMIN_OPTIONS_MAX 16

/* -- rules for visitors ------------------------------------------------------------------------------------------ */

/* Addresses whose requests are counted, in all: 1 MiB. More make the limits looser, not stricter. */
#define RATE_KEYS_MAX 65536
/* The most that can be set of what is counted by the second: the table counts in thousands of seconds, and bursts with them. */
#define RATE_MAX 1000000
/* Requests at once, and how many there are at least where only a rate is said: a page with its parts. */
#define RATE_BURST_MAX 1000000u
#define RATE_BURST_LEAST 10u
#define OPENS_MAX 100000
/* Passwords that wait to be looked at: some seconds of work for two threads; and those of one client's visitors. */
#define VERIFICATIONS_MAX 64
#define VERIFICATIONS_PER_CLIENT_MAX 8
/* Answers about passwords that are kept for a minute. */
#define VERDICTS_KNOWN_MAX 4096
/* User and password as they come, and hash and password together. */
#define PASSWORD_TEXTS_MAX 900

/* -- hooks --------------------------------------------------------------------------------------------------------- */

/* Hooks of one program: each packet passes all of them. */
#define HOOKS_MAX 16
/* Questions to an HTTP callback: on their way at one time (a connection each), and waiting, in number and bytes; beyond that the
 * callback is slower than what is asked, and what waits would be too late. */
#define CALLBACK_ACTIVE_MAX 32
#define CALLBACK_WAITING_MAX 4096
#define CALLBACK_WAITING_BYTES_MAX (64 * MIB)
/* Its answers that are kept (100 bytes each): some for each client of a large installation. */
#define CALLBACK_KNOWN_MAX 65536

/* -- link -------------------------------------------------------------------------------------------------------- */

/* Brokers that are tried in turn: the nodes of a cluster, and more than anybody names one by one. */
#define LINK_URLS_MAX 16

/* -- embedded broker --------------------------------------------------------------------------------------------- */

/* MQTT packet that we take (CONNACK's Maximum Packet Size): an envelope and its topic. */
#define MQTT_PACKET_MAX (ENVELOPE_MAX_EMBEDDED + 1 * KIB)
#define MQTT_TOPIC_MAX 512
#define MQTT_TOPIC_LEVELS_MAX 16
#define MQTT_CONNECTIONS_PER_WORKER_MAX 65536
#define MQTT_SUBSCRIPTIONS_PER_CONNECTION_MAX 32
/* QoS 1 messages in flight to one connection (Receive Maximum at most). */
#define MQTT_INFLIGHT_MAX 64
/* Output that waits for one connection; QoS 0 messages beyond it are dropped and counted. */
#define MQTT_OUTPUT_MAX (32 * MIB)
#define MQTT_RETAINED_MAX 131072
#define MQTT_RETAINED_PAYLOAD_MAX (16 * KIB)
#define MQTT_TOPIC_ALIASES_MAX 16
/* User properties of one packet, also of what a proxy passes on: far more than anybody sends, few enough to look at each. */
#define MQTT_USER_PROPERTIES_MAX 1024
/* Ways in for clients beside the MQTT port: four kinds for IPv4 and IPv6 on some interfaces. */
#define CLIENT_LISTENERS_MAX 16
/* Connections that have not said who they are, as it comes: in all (with TLS 50 KiB each), and from one address (a network
 * behind one address comes back at once after a restart). Seconds for CONNECT, handshakes included. */
#define MQTT_STRANGERS_MAX 4096
#define MQTT_STRANGERS_PER_ADDRESS_MAX 1024
#define MQTT_CONNECT_TIMEOUT_S 10
/* CONNECT comes from strangers: room for names, a will and its topic, not more. */
#define MQTT_CONNECT_MAX (32 * KIB)
#define MQTT_CLIENT_ID_MAX 256
#define MQTT_USERNAME_MAX 256
/* Seconds; a longer keep alive, or none, is overridden in MQTT 5 so that dead connections go away. */
#define MQTT_KEEP_ALIVE_MAX 3600
/* One read takes at most this much; one such chunk a worker, more only while messages in it are under way. */
#define MQTT_INPUT_CHUNK (128 * KIB)
/* Payloads on the way from one worker to another; QoS 0 messages beyond it are dropped and counted. */
#define MQTT_FORWARD_MAX (64 * MIB)
/* Cleared retained topics that are remembered, so that an older message that comes late does not bring them back. */
#define MQTT_RETAINED_GRAVES_MAX 4096
/* Direct lines of one worker: the program's own participants. */
#define MQTT_LINES_PER_WORKER_MAX 16

/* -- proxy --------------------------------------------------------------------------------------------------------- */

/* Listeners of one program: three kinds of three protocols, some times over. */
#define PROXY_LISTENERS_MAX 64
/* One packet either way, unless the settings say otherwise (up to MQTT's own maximum); it is collected before it goes on. */
#define PROXY_PACKET_MAX (1 * MIB)
/* CONNECT comes from strangers: all its fields may be as long as MQTT has them, in theory; certificates as passwords are some KiB. */
#define PROXY_CONNECT_MAX (64 * KIB)
/* Clients at one time, and from one address, unless the settings say otherwise; a place among others of 4 KiB each. */
#define PROXY_CLIENTS_MAX 65536
/* Output that waits for one side before the other one is no longer read. */
#define PROXY_OUTPUT_HIGH (128 * KIB)
/* Answers of our own (to what was denied) that wait for a client before it is no longer read. */
#define PROXY_ANSWERS_MAX (1 * MIB)
/* SUBSCRIBEs of one client with a denied filter that wait for the broker's answer. */
#define PROXY_SUBSCRIBES_MAX 64
/* Answers to what was denied that wait for the broker's to what came before, until the client is no longer read. */
#define PROXY_DENIALS_MAX 1024
/* Topic aliases of one client (MQTT 5) where hooks have to know what they stand for; brokers have 10 to 20. */
#define PROXY_TOPIC_ALIASES_MAX 16
/* One read takes at most this much; one such chunk a worker, more only while packets in it are under way. */
#define PROXY_INPUT_CHUNK (128 * KIB)
/* What is read of an HTTP connection and waits: the largest head of an answer has to fit. */
#define PROXY_HTTP_INPUT HTTP_RESPONSE_HEAD_MAX
/* An HTTP connection between two requests. */
#define PROXY_HTTP_IDLE_US (75 * US_PER_S)

/* -- client ------------------------------------------------------------------------------------------------------ */

/* One read from a service; two or three make an envelope. One such buffer a worker. */
#define LOCAL_READ_BYTES (64 * KIB)
/* Names of targets that wait to be looked up: what a burst of streams to one name brings. */
#define LOOKUP_WAITING_MAX 4096

/* Seconds for which a workstation may have a service made public: what is for longer stands in the services file. */
#define PUBLISH_S_MAX (7 * 24 * 3600)
/* Services that are public so at one time, and workstations that wait to hear where: a server gives no more ports. */
#define PUBLICATIONS_MAX PORTS_PER_CLIENT_MAX

/* -- workstation -------------------------------------------------------------------------------------------------- */

/* Ways that one mdm-tunnel-connect opens: what fits on a command line that somebody writes. */
#define WISHES_MAX 64
/* A datagram over IPv6; its length stands in 16 bits. */
#define DATAGRAM_MAX 65535
/* Senders of datagrams to one local port that have a stream each: programs and hosts beside a workstation. */
#define UDP_SENDERS_MAX 1024
/* Ports that one worker of a device listens at for workstations. */
#define LISTENERS_PER_WORKER_MAX 64
/* Sides of a tunnel's audit log, the current file and the one before: some ten thousand lines each. */
#define AUDIT_FILE_MAX (4 * MIB)
/* Lines that a device answers to a question about its tunnels: what fits into a stream at once. */
#define CONTROL_ANSWER_MAX (192 * KIB)
/* Devices that one list shows. */
#define SURVEY_MAX 1024
/* Local connections on one worker: each needs a stream, of which a session has STREAMS_PER_SESSION_MAX. */
#define VISITS_PER_WORKER_MAX 16384

/* -- folders ------------------------------------------------------------------------------------------------------- */

/* Connections to a folder's service: the server has as many idle ones at most as requests at one time. */
#define FILES_CONNECTIONS_MAX 1000
/* Seconds without a byte: a visitor who does not read. */
#define FILES_TIMEOUT_S 120
/* Names on a folder's page, and its size: more nobody reads. */
#define FILES_LISTED_MAX 10000
#define FILES_LIST_BYTES_MAX (16 * MIB)

/* -- QR codes ------------------------------------------------------------------------------------------------------- */

/* A code as text: 177 modules and the margin, two characters each, with colours; PUBLIC_URL_MAX bytes need a third of that. */
#define QR_TEXT_MAX (512 * KIB)

/* -- control socket ------------------------------------------------------------------------------------------------ */

/* A line that is asked: a word or two. */
#define CONTROL_LINE_MAX 256
/* Who asks at one time: people and scripts of this machine. */
#define CONTROL_QUESTIONS_MAX 16
/* Seconds for the line to come, for the answer, and for each piece of it to be read. */
#define CONTROL_WAIT_S 5
/* An answer: some hundred bytes for each of SESSIONS_MAX sessions. */
#define CONTROL_TEXT_MAX (32 * MIB)

/* -- files ------------------------------------------------------------------------------------------------------- */

#define CONFIG_FILE_MAX (1 * MIB)
/* Objects in objects: what we read has two levels. */
#define CONFIG_DEPTH_MAX 8
#define SERVICES_MAX 1024
#define PATH_TEXT_MAX 4096
/* Pre-shared keys of one program: each handshake looks at all of them. */
#define PSKS_MAX 4096
/* Lines of authorized_clients: more do not fit in a file of CONFIG_FILE_MAX bytes. */
#define AUTHORIZED_CLIENTS_MAX 16384
/* Options of such a line: patterns of services, ranges of ports. */
#define GRANT_SERVICES_MAX 255
#define GRANT_PORTS_MAX 255
/* Lines of authorized_peers: all are looked at for each stream. */
#define AUTHORIZED_PEERS_MAX 4096

/* -- logs -------------------------------------------------------------------------------------------------------- */

/* What a visitor may say takes so much of a line of the access log, escapes included: a whole target but for the largest ones, some
 * hundred characters of a field, a name of 63 characters (RFC 1035) or a method. */
#define ACCESS_TARGET_MAX (4 * KIB)
#define ACCESS_FIELD_MAX  (1 * KIB)
#define ACCESS_WORD_MAX   128
/* A line of such a log: all of them, and what we say: numbers, times, keys of JSON. */
#define LINE_LOG_LINE_MAX (ACCESS_TARGET_MAX + 3 * ACCESS_FIELD_MAX + 8 * ACCESS_WORD_MAX + 1 * KIB)
/* Lines of one turn of a worker, and what may wait for the disk in all (8 MiB): a second of tens of thousands of requests. */
#define LINE_LOG_CHUNK_BYTES (16 * KIB)
#define LINE_LOG_CHUNKS_MAX  512
/* Bytes of a payload that the proxy's log of packets shows at most, and what they take of the line, escapes included. */
#define PACKET_LOG_PAYLOAD_MAX  1024
#define PACKET_LOG_PAYLOAD_TEXT (3 * KIB)

#endif
