// SPDX-License-Identifier: Apache-2.0
// A service of the browser stories, socket.io. Prints its port.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Server } from 'socket.io';

const page = `<!doctype html><title>socket.io</title><pre id="log"></pre><script src="/client.js"></script><script>
    const log = line => { document.getElementById('log').textContent += line + '\\n'; };
    const socket = io();
    socket.io.engine.on('upgrade', transport => log('upgraded to ' + transport.name));
    socket.on('connect', () => socket.emit('echo', { text: 'hello', bytes: new Uint8Array(100000) }));
    socket.on('echo', data => log('echo ' + data.text + ' ' + (data.bytes.byteLength ?? data.bytes.length)));
</script>`;

function socketIo() {
    const client = readFileSync(createRequire(import.meta.url).resolve('socket.io-client/dist/socket.io.js'));
    const http = createServer((request, response) => {
        response.setHeader('Content-Type', request.url === '/client.js' ? 'text/javascript' : 'text/html');
        response.end(request.url === '/client.js' ? client : page);
    });
    new Server(http).on('connection', socket => socket.on('echo', data => socket.emit('echo', data)));
    return new Promise(done => http.listen(0, '127.0.0.1', () => done(http.address().port)));
}

console.log(`listening on ${await socketIo()}`);
