/* SPDX-License-Identifier: Apache-2.0 */
/* ENVELOPE(id, code, text): low four bits of an envelope's first byte; the high four are the version. */
ENVELOPE(HELLO, 1, "starts a session, or goes on with it")
ENVELOPE(HELLO_ACK, 2, "answers a HELLO")
ENVELOPE(DATA, 3, "bytes of the session")
ENVELOPE(ACK, 4, "says what has arrived and how much more may come; no body")
ENVELOPE(NACK, 5, "says that envelopes from `ack` up to `seq` are missing; no body")
ENVELOPE(BYE, 6, "ends the session with a reason")
