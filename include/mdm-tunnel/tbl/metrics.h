/* SPDX-License-Identifier: Apache-2.0 */
/*
 * METRIC(id, kind: counter|gauge|histogram|info, labels, text): what /metrics says beside the rows of counters.h. All names begin
 * with mdm_tunnel_; those of counters end in _total there.
 */
METRIC(build, info, "version", "the program's version")
METRIC(start_time_seconds, gauge, "", "when the program was started, in seconds since 1970")
METRIC(ready, gauge, "", "1: visitors and clients are served; 0: it is draining, or the broker is not reached")
METRIC(clients, gauge, "", "client ids that are there")
METRIC(service_requests, counter, "client,service,status", "answers to visitors by service and class of status (2xx); none: the visitor was cut off")
METRIC(service_seconds, histogram, "client,service", "time from a request's first line to the end of its answer")
METRIC(service_bytes_up, counter, "client,service", "bytes of requests' bodies")
METRIC(service_bytes_down, counter, "client,service", "bytes of answers' bodies")
METRIC(session_streams, gauge, "client", "streams in the client's sessions")
METRIC(session_bytes_to, counter, "client", "bytes of streams with their frames sent to the client by its present sessions")
METRIC(session_bytes_from, counter, "client", "bytes of streams with their frames received from the client by its present sessions")
METRIC(session_window_bytes, gauge, "client", "bytes that may be unacknowledged, of all its sessions")
METRIC(session_in_flight_bytes, gauge, "client", "bytes that are unacknowledged")
METRIC(session_round_trip_seconds, gauge, "client", "round-trip time of its slowest session")
METRIC(session_resent, counter, "client", "envelopes that its present sessions sent again")
METRIC(session_away, gauge, "client", "sessions whose way to the client is lost for now")
METRIC(sessions_unlisted, gauge, "", "clients that have no rows above because there are too many")
METRIC(worker_cpu_seconds, counter, "worker", "CPU time of each worker's thread: its rate is the worker's utilisation")
