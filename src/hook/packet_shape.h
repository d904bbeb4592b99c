/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what a hook puts in the place of a packet may stand there. Pure. */
#ifndef HOOK_PACKET_SHAPE_H
#define HOOK_PACKET_SHAPE_H

#include "mdm-tunnel/hook.h"
#include "mqtt/text.h"

/* `type`: struct mdm_packet's. One whole packet of that type; a head whose body is framed as that of `was`. */
bool hook_packet_fits(unsigned type, struct mqtt_span was, struct mqtt_span value);

#endif
