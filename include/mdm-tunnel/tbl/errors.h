/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ERROR(id, code on the wire, scope, HTTP status, log level, text)
 * scope: STREAM, SESSION or PROCESS, what it ends. The name that users meet (X-Mdm-Tunnel-Error, logs, manual) is the id
 * with '-' for '_'. Codes are for ever: a row may be added, never renumbered.
 */
ERROR(none, 0, STREAM, 200, DEBUG, "no error")
/* what a visitor meets through the HTTP front */
ERROR(bad_request, 1, STREAM, 400, INFO, "the request is not valid HTTP")
ERROR(unknown_client, 2, STREAM, 404, INFO, "no such client")
ERROR(unknown_service, 3, STREAM, 404, INFO, "the client has no such service")
ERROR(client_offline, 4, STREAM, 503, INFO, "the client is not connected now")
ERROR(service_refused, 5, STREAM, 502, INFO, "the service does not accept connections")
ERROR(service_timeout, 6, STREAM, 504, INFO, "the service did not answer in time")
ERROR(service_closed, 7, STREAM, 502, INFO, "the service closed the connection before its answer")
ERROR(limit, 8, STREAM, 503, WARNING, "a limit was reached")
ERROR(method_not_allowed, 9, STREAM, 405, INFO, "the method is not for a tunnel")
ERROR(not_implemented, 10, STREAM, 501, INFO, "the transfer coding is not supported")
ERROR(headers_too_large, 11, STREAM, 431, INFO, "the request's header is too large")
ERROR(bad_answer, 12, STREAM, 502, INFO, "the service's answer is not valid HTTP")
ERROR(request_timeout, 13, STREAM, 408, INFO, "the request did not arrive in time")
/* how a stream ends */
ERROR(cancelled, 20, STREAM, 502, DEBUG, "the other end is gone")
ERROR(service_reset, 21, STREAM, 502, INFO, "the service cut the connection")
ERROR(visitor_gone, 22, STREAM, 499, DEBUG, "the visitor closed the connection")
ERROR(shutting_down, 23, STREAM, 503, INFO, "the other end is shutting down")
ERROR(kind_not_offered, 24, STREAM, 502, INFO, "the service does not take this kind of stream")
ERROR(no_memory, 25, STREAM, 503, ERROR, "out of memory")
/* how a session ends */
ERROR(session_closed, 40, SESSION, 502, INFO, "the peer closed the session")
ERROR(session_lost, 41, SESSION, 502, WARNING, "the way to the peer was lost for too long")
ERROR(session_unknown, 42, SESSION, 502, INFO, "the peer does not know the session any more")
ERROR(protocol_version, 43, SESSION, 502, WARNING, "the peer speaks another version of the protocol")
ERROR(protocol_error, 44, SESSION, 502, WARNING, "the peer broke the protocol")
ERROR(window_overrun, 45, SESSION, 502, WARNING, "the peer sent more than it was allowed to")
ERROR(frame_too_large, 46, SESSION, 502, WARNING, "the peer sent a frame over the maximum")
ERROR(frame_unknown, 47, SESSION, 502, WARNING, "the peer sent a critical frame that is not known here")
ERROR(session_limit, 48, SESSION, 503, WARNING, "too many sessions")
/* whom a session is with */
ERROR(encryption_mismatch, 60, SESSION, 502, WARNING, "one end encrypts and the other does not")
ERROR(encryption_failed, 61, SESSION, 502, WARNING, "the encrypted bytes are not what the peer sent, or it has no key")
ERROR(server_key_unknown, 62, SESSION, 502, WARNING, "the server's key is not the one that the client knows")
ERROR(name_taken, 63, SESSION, 502, WARNING, "the client id belongs to another key")
ERROR(key_not_allowed, 64, SESSION, 502, WARNING, "the client's key is not allowed to use this id")
ERROR(psk_refused, 65, SESSION, 502, WARNING, "the pre-shared key is not the one of this id, or one end has none")
ERROR(certificate_refused, 66, SESSION, 502, WARNING, "the certificate is not of the authority, not valid, or not for this name")
