// SPDX-License-Identifier: Apache-2.0
// MQTT.js through the proxy: node mqtt.mjs URL..., each with MQTT 3.1.1 and 5. Exit status 0: all was as it should be.
// Allowed is open/#; denied is everything else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt from 'mqtt';

const connect = (url, protocolVersion, clientId, more = {}) =>
    mqtt.connectAsync(url, { protocolVersion, clientId, reconnectPeriod: 0, ...more });

function collect(client) {
    const messages = [];
    client.on('message', (_topic, payload, packet) => {
        messages.push({ ...packet, payload: payload.toString() });
        client.emit('collected');
    });
    return async (topic, payload) => {
        for (;;) {
            const at = messages.findIndex(m => m.topic === topic && m.payload === payload);
            if (at >= 0)
                return messages.splice(at, 1)[0];
            await once(client, 'collected');
        }
    };
}

async function passes(url, version) {
    const name = `${url.split(':')[0]}${version}`;
    const sub = await connect(url, version, `sub-${name}`);
    const comes = collect(sub);
    const granted = await sub.subscribeAsync('open/#', { qos: 2 });
    assert.equal(granted[0].qos, 2);

    const will = { topic: `open/${name}/will`, payload: 'gone', qos: 1 };
    const pub = await connect(url, version, `pub-${name}`, { will });
    for (const qos of [0, 1, 2]) {
        const payload = String(qos).repeat(qos === 2 ? 300000 : 3);
        await pub.publishAsync(`open/${name}`, payload, { qos });
        assert.equal((await comes(`open/${name}`, payload)).qos, qos);
    }

    await pub.publishAsync(`open/${name}/kept`, 'kept', { qos: 1, retain: true });
    await comes(`open/${name}/kept`, 'kept');
    const late = await connect(url, version, `late-${name}`);
    const comesLate = collect(late);
    await late.subscribeAsync(`open/${name}/kept`, { qos: 1 });
    assert.equal((await comesLate(`open/${name}/kept`, 'kept')).retain, true);
    await late.publishAsync(`open/${name}/kept`, '', { qos: 1, retain: true });
    await comesLate(`open/${name}/kept`, '');
    await late.unsubscribeAsync(`open/${name}/kept`);
    await pub.publishAsync(`open/${name}/kept`, 'unheard', { qos: 1 });
    late.on('message', topic => assert.fail(`${topic} after UNSUBSCRIBE`));

    if (version === 5)
        await properties(pub, comes, name);
    await denied(pub, sub, version);
    await pub.publishAsync(`open/${name}`, 'after it', { qos: 1 });
    await comes(`open/${name}`, 'after it');
    pub.stream.destroy();
    await comes(will.topic, 'gone');
    await Promise.all([late.endAsync(), sub.endAsync()]);
}

async function properties(pub, comes, name) {
    const sent = { userProperties: { colour: 'blue' }, contentType: 'text/plain', responseTopic: 'open/answer',
        correlationData: Buffer.from([0, 255]), messageExpiryInterval: 600, payloadFormatIndicator: true };
    await pub.publishAsync(`open/${name}/aliased`, 'named', { qos: 1, properties: { ...sent, topicAlias: 1 } });
    const { messageExpiryInterval, ...got } = (await comes(`open/${name}/aliased`, 'named')).properties;
    const { messageExpiryInterval: asked, ...wanted } = sent;
    assert.deepEqual({ ...got, userProperties: { ...got.userProperties } }, wanted);
    assert.ok(messageExpiryInterval <= asked && messageExpiryInterval > asked - 300);
    await pub.publishAsync('', 'by its alias', { qos: 1, properties: { topicAlias: 1 } });
    await comes(`open/${name}/aliased`, 'by its alias');
}

// What is denied has a reason code in version 5; version 3.1.1 has none for PUBLISH.
async function denied(pub, sub, version) {
    for (const qos of [1, 2]) {
        const publish = pub.publishAsync('closed', 'no', { qos });
        if (version === 5)
            await assert.rejects(publish, error => error.code === 0x87);
        else
            await publish;
    }
    let codes = null;
    sub.once('packetreceive', packet => { codes = [packet.cmd, ...packet.granted]; });
    await sub.subscribeAsync(['closed', 'open/again'], { qos: 1 }).catch(() => {});
    assert.deepEqual(codes, ['suback', version === 5 ? 0x87 : 0x80, 1]);
}

for (const url of process.argv.slice(2))
    for (const version of [4, 5])
        await passes(url, version);
