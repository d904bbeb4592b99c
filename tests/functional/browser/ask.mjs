// SPDX-License-Identifier: Apache-2.0
// Requests beside those of the browser.
import { Agent, get } from 'node:http';

// A request to a service, until its answer is there; gives the status.
export const one = (port, host, path, agent) => new Promise((resolve, reject) => {
    get({ port, agent, path, host: '127.0.0.1', headers: { Host: host } }, answer => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode));
    }).on('error', reject);
});

// Many requests over a few connections.
export async function flood(port, host, count) {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    let next = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
        while (next < count)
            await one(port, host, `/n/${next++}`, agent);
    }));
    agent.destroy();
}
