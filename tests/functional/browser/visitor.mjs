// SPDX-License-Identifier: Apache-2.0
// A visitor with a real browser: node visitor.mjs STORY URL [DIRECTORY]. Exit status 0: all was as it should be.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [story, url, directory] = process.argv.slice(2);
const timeout = 15000 * Number(process.env.MDM_TEST_SLOW ?? 1);

const shows = (page, text, limit = timeout) =>
    page.waitForFunction(wanted => document.body.innerText.includes(wanted), text, { timeout: limit });

// Vite misses an edit that comes right behind another, also without a tunnel: so it is made again.
async function edit(page, file, value) {
    for (let tries = 10; ; tries--) {
        writeFileSync(file, `export const value = '${value}';\n`);
        try {
            return await shows(page, `value: ${value}`, timeout / 10);
        } catch (error) {
            if (tries === 0)
                throw error;
        }
    }
}

const stories = {
    // An edit reaches the page through Vite's WebSocket, without a reload.
    async vite(page) {
        await page.goto(url, { timeout });
        await shows(page, 'value: one');
        await page.evaluate(() => { window.sameDocument = true; });
        for (const value of ['two', 'three'])
            await edit(page, join(directory, 'value.js'), value);
        if (!await page.evaluate(() => window.sameDocument))
            throw new Error('the page was loaded again');
    },
    async 'socket.io'(page) {
        await page.goto(url, { timeout });
        await shows(page, 'echo hello 100000');
        await shows(page, 'upgraded to websocket');
    },
    async hello(page) {
        const answer = await page.goto(url, { timeout });
        if (answer.status() !== 200)
            throw new Error(`status ${answer.status()}`);
        await shows(page, 'Hello World');
        await shows(page, new URL(url).host);
    },
    async websockets(page) {
        await page.goto(url, { timeout });
        await shows(page, 'echo: hello from');
        await page.fill('#text', 'typed by hand');
        await page.click('button');
        await shows(page, 'echo: typed by hand');
    },
    async error(page) {
        const answer = await page.goto(url, { timeout });
        if (answer.status() !== 404)
            throw new Error(`status ${answer.status()}`);
        await shows(page, 'unknown-service');
    },
};

const browser = await chromium.launch({
    executablePath: process.env.MDM_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
const page = await browser.newPage();
const said = [];
page.on('console', message => said.push(`console: ${message.text()}`));
page.on('pageerror', error => said.push(`page error: ${error.message}`));
try {
    await stories[story](page);
} catch (error) {
    console.error(error.message);
    console.error(await page.content().catch(() => ''));
    console.error(said.join('\n'));
    process.exitCode = 1;
} finally {
    await browser.close();
}
