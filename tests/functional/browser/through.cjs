// SPDX-License-Identifier: Apache-2.0
// node --require through.cjs TEST: a library's own tests, unchanged, but what they connect to on this machine is reached through the
// tunnel. MDM_THROUGH is PORT/HOST of the tunnel's server; the service behind it is told the port that was meant.
'use strict';

const net = require('node:net');

const [port, host] = process.env.MDM_THROUGH.split('/');
const connect = net.connect;
let passed = 0;

// The first write is a request's head. Its own Host goes along: it is the tunnel's on the way.
function renamed(head, meant) {
    const text = head.toString('latin1');
    if (!/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(text) || !text.includes('\r\n\r\n'))
        throw new Error(`not a head: ${text}`);
    passed++;
    const own = /\r\nHost: ([^\r\n]*)/i.exec(text)?.[1] ?? '';
    const lines = text.replace(/\r\nHost: [^\r\n]*/i, '');
    return Buffer.from(lines.replace('\r\n', `\r\nHost: ${host}\r\nMeant: ${meant} ${own}\r\n`), 'latin1');
}

net.connect = net.createConnection = function (first, ...rest) {
    const options = typeof first === 'object' ? first : { port: first, host: typeof rest[0] === 'string' ? rest.shift() : undefined };
    if (!options.port || !['localhost', '127.0.0.1', '::1'].includes(options.host ?? 'localhost'))
        return connect.call(net, options, ...rest);
    const socket = connect.call(net, { ...options, port: Number(port), host: '127.0.0.1', path: undefined }, ...rest);
    const write = socket.write;
    socket.write = function (head, ...more) {
        socket.write = write;
        return socket.write(renamed(Buffer.from(head, typeof more[0] === 'string' ? more[0] : 'latin1'), options.port),
            ...more.filter((one) => typeof one === 'function'));
    };
    return socket;
};

process.on('exit', () => { process._rawDebug(`${passed} connections went through`); });
