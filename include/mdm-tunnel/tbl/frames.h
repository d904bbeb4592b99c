/* SPDX-License-Identifier: Apache-2.0 */
/* FRAME(id, code, longest payload, text). Codes with the high bit set are critical: an unknown one ends the session. */
FRAME(DATA, 0x80, STREAM_WINDOW_MAX, "bytes of a stream; flag FIN ends this direction")
FRAME(OPEN, 0x81, FRAME_CONTROL_MAX, "opens a stream: kind, service, visitor, options")
FRAME(ACCEPT, 0x82, 0, "the stream is connected to its service")
FRAME(REFUSE, 0x83, 2, "the stream is not opened: error code u16")
FRAME(WINDOW, 0x84, 4, "credit: u32 more bytes may come")
FRAME(RESET, 0x85, 2, "the stream ends at once: error code u16")
FRAME(PING, 0x86, 8, "asks for a PONG with the same eight bytes")
FRAME(PONG, 0x87, 8, "answers a PING")
FRAME(SERVICES, 0x08, FRAME_SERVICES_MAX, "the services that this end offers: names, kinds, rules for visitors")
FRAME(WEIGHT, 0x0a, 2, "this end's share of the streams of its client id: u16")
FRAME(PUBLIC, 0x0b, FRAME_PUBLIC_MAX, "a service has a public TCP port, or why it has none: error code u16, port u16, service, host")
FRAME(GOAWAY, 0x89, 2, "no new streams will be taken: error code u16")
