/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go. */
#include <string.h>

#include "gate/listen_url.h"
#include "proxy/http.h"

const char *gateway_target_parse(const char *text, struct link_url *out)
{
    bool tls = strncmp(text, "https://", 8) == 0;
    if (!tls && strncmp(text, "http://", 7) != 0)
        return "it must begin with http:// or https://, as the listener does";
    *out = (struct link_url){.tls = tls, .port = tls ? 443 : 80};
    text = link_host_parse(text + 7 + tls, out->host);
    if (text == NULL)
        return "the host is missing or not valid";
    text = link_port_parse(text, &out->port);
    if (text == NULL)
        return "the port is not valid";
    if (text[0] != '\0' && !listen_path_valid(text))
        return "the path is not valid";
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '/')
        len--;
    memcpy(out->path, text, len);
    out->path[len] = '\0';
    return NULL;
}
