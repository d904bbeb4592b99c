/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL in a program whose threads need not have ended when it does: a thread that waits for a resolver or a broker is
 * left behind after some time (link/link.h), and must find the library whole for as long as it runs.
 */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

/* OpenSSL's memory stays until the process is gone, instead of being taken down by exit(3). The first use of OpenSSL in the
 * process, before there are threads: later the library has already decided. */
void tls_library_keep(void);

#endif
