/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of a head are nobody's business: pages and exports hide their values unless they are asked for. Pure. */
#ifndef INSPECT_SECRET_H
#define INSPECT_SECRET_H

#include "wire/http.h"

/* What stands for a value that is hidden. Sent back with an edited request it means the value that is behind it. */
#define SECRET_MASK "(hidden)"

/* Authorization, cookies, and whatever has a token, a secret, a password or a key to an interface in its name. */
bool secret_field(struct http_text name);

#endif
