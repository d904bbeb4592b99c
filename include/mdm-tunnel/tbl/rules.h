/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RULE(id, code, shape, most, text): what a visitor of a service has to obey, and by which names it is reached; options of an
 * entry of SERVICES. Those with the high bit are critical: a server that does not know one serves the service to nobody. `most`:
 * how often one may stand.
 */
RULE(path, 0x10, PATH, 1, "under names that services share, this one has the paths that begin so")
RULE(strip_path, 0x11, NUMBER, 1, "the service gets the path without that beginning: 1 u64")
RULE(domain, 0x12, DOMAIN, 16, "a host name of the client's own that leads here, maybe with an asterisk as its first label")
RULE(maintenance, 0x90, WORDS, 1, "nobody is let in: what visitors are told, UTF-8, maybe empty")
RULE(auth, 0x81, LOGIN, 64, "a user and the hash of a password, with a colon between")
RULE(bearer, 0x82, DIGEST, 64, "SHA-256 of a token")
RULE(allow, 0x83, RANGE, 64, "visitors from here only: address (IPv4 as ::ffff:0:0/96) and bits u8")
RULE(deny, 0x84, RANGE, 64, "no visitors from here, whatever is allowed")
RULE(rate, 0x85, RATE, 1, "requests of one address in 1000 s u32, and at once u32")
RULE(max_streams, 0x86, NUMBER, 1, "requests and upgraded connections at one time u64")
RULE(bandwidth_up, 0x87, NUMBER, 1, "bytes a second to the service u64")
RULE(bandwidth_down, 0x88, NUMBER, 1, "bytes a second from the service u64")
RULE(request_set, 0x89, FIELD, 32, "a field that requests get, instead of those of the name")
RULE(request_remove, 0x8a, NAME, 32, "a field that requests lose")
RULE(response_set, 0x8b, FIELD, 32, "a field that answers get, instead of those of the name")
RULE(response_remove, 0x8c, NAME, 32, "a field that answers lose")
RULE(host_header, 0x8d, HOST, 1, "the Host that the service gets")
RULE(one_visitor, 0x8e, NUMBER, 1, "a stream is for one request: the service is told whose, in this version of the PROXY protocol u64")
RULE(public_port, 0x8f, PORT, 1, "the service has a TCP port on the server: this one, or any (0) u16; of kind tcp only")
