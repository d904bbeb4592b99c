#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A message over WebSocket through mdm-tunnel-proxy -c proxy.json: websocket.py without-tls|with-tls|with-mtls

PORT is the listener's, CERTS the directory of ca.crt, client.crt and client.key. Needs python3-paho-mqtt.
"""
import os
import sys

import paho.mqtt.client as paho

PORTS = {"without-tls": 8083, "with-tls": 8084, "with-mtls": 8085}


def subscribed(client, *_):
    client.publish("example/websocket", f"hello {way}", qos=1)


def came(client, _, message):
    heard.append(message.payload.decode())
    print(heard[0])
    client.disconnect()


if len(sys.argv) != 2 or sys.argv[1] not in PORTS:
    sys.exit(__doc__)
way = sys.argv[1]
heard = []
certs = os.environ.get("CERTS", "certs")
client = paho.Client(transport="websockets")
client.ws_set_options(path="/mqtt")
if way == "with-tls":
    client.tls_set(f"{certs}/ca.crt")
elif way == "with-mtls":
    client.tls_set(f"{certs}/ca.crt", f"{certs}/client.crt", f"{certs}/client.key")
client.on_connect = lambda client, *_: client.subscribe("example/websocket", 1)
client.on_subscribe = subscribed
client.on_message = came
client.connect("localhost", int(os.environ.get("PORT", PORTS[way])))
client.loop_forever()
sys.exit(0 if heard else 1)
