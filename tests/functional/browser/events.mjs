// SPDX-License-Identifier: Apache-2.0
// What a page gets piece by piece: server-sent events with EventSource, and messages as gRPC-Web has them, with fetch.

const markup = script => `<!doctype html><title>events</title><pre id="log"></pre><script>${script}</script>`;

// Events 1 to 6: the service cuts after 3, and the browser comes again and says which was the last.
const eventSource = markup(`
    const log = line => { document.getElementById('log').textContent += line + '\\n'; };
    const source = new EventSource('/events');
    source.addEventListener('count', event => { log('event ' + event.lastEventId + ': ' + event.data);
        if (event.lastEventId === '6') { source.close(); log('closed'); } });
    source.onopen = () => log('open');
    source.onerror = () => log('again');`);

// Each message is acknowledged by a request of its own before the next one comes, so nothing may wait for more on the way.
const grpcWeb = markup(`
    const log = line => { document.getElementById('log').textContent += line + '\\n'; };
    (async () => {
        const head = { 'Content-Type': 'application/grpc-web+proto', 'X-Grpc-Web': '1' };
        const answer = await fetch('/shop.Orders/Watch', { method: 'POST', headers: head, body: new Uint8Array([0, 0, 0, 0, 2, 8, 7]) });
        log(answer.status + ' ' + answer.headers.get('Content-Type'));
        let bytes = [];
        const reader = answer.body.getReader();
        for (let step; !(step = await reader.read()).done;) {
            bytes.push(...step.value);
            for (let size; bytes.length >= 5 && bytes.length >= 5 + (size = new DataView(new Uint8Array(bytes).buffer).getUint32(1));) {
                const text = new TextDecoder().decode(new Uint8Array(bytes.slice(5, 5 + size)));
                log((bytes[0] === 0x80 ? 'trailers ' : 'message ') + text.trim());
                if (bytes[0] === 0)
                    await fetch('/ack', { method: 'POST', body: text });
                bytes = bytes.slice(5 + size);
            }
        }
        log('end');
    })();`);

export const pages = { '/events.html': eventSource, '/grpc.html': grpcWeb };

const lines = async (page, url, last, timeout) => {
    await page.goto(url, { timeout });
    await page.waitForFunction(wanted => document.getElementById('log').textContent.endsWith(wanted + '\n'), last, { timeout });
    return (await page.locator('#log').textContent()).trim().split('\n');
};

export async function events(page, url, timeout) {
    const same = (got, wanted) => { if (got.join('; ') !== wanted) throw new Error(`expected ${wanted}, got ${got.join('; ')}`); };
    same(await lines(page, `${url}events.html`, 'closed', timeout),
         'open; event 1: one; event 2: two; event 3: three; again; open; event 4: four; event 5: five; event 6: six; closed');
    same(await lines(page, `${url}grpc.html`, 'end', timeout),
         '200 application/grpc-web+proto; message first; message second; message third; trailers grpc-status: 0; end');
}

if (process.argv[1].endsWith('events.mjs')) // their service asks for them
    console.log(JSON.stringify(pages));
