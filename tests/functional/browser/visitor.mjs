// SPDX-License-Identifier: Apache-2.0
// A visitor with a real browser: node visitor.mjs STORY URL [WHAT]. Exit status 0: all was as it should be.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { admin } from './admin.mjs';
import { flood, one } from './ask.mjs';
import { events } from './events.mjs';

const [story, url, directory] = process.argv.slice(2);
const slowness = Number(process.env.MDM_TEST_SLOW ?? 1);
const timeout = 60000 * slowness; // the machine may have much else to do

const shows = (page, text, limit = timeout) =>
    page.waitForFunction(wanted => document.body.innerText.includes(wanted), text, { timeout: limit });

// Dev servers miss an edit that comes right behind another, also without a tunnel: so it is made again.
async function edit(page, file, value) {
    for (let tries = 10; ; tries--) {
        writeFileSync(file, readFileSync(file, 'utf8').replace(/(value(?:: | = '))\w+/, `$1${value}`));
        try {
            return await shows(page, `value: ${value}`, 3000 * slowness);
        } catch (error) {
            if (tries === 0)
                throw error;
        }
    }
}

const stories = {
    // Edits of the file reach the page through the dev server's WebSocket, without a reload.
    async 'dev server'(page) {
        await page.goto(url, { timeout });
        await shows(page, 'value: one');
        await page.evaluate(() => { window.sameDocument = true; });
        for (const value of ['two', 'three'])
            await edit(page, directory, value);
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

// The inspector's page: `directory` is PORT/HOST/HOST: of a service that echoes, and of one that answers many requests quickly.
stories.inspector = async page => {
    const [port, host, quick] = directory.split('/');
    const rows = page.locator('#list .row');
    const detail = page.locator('#detail');
    const row = path => page.locator('#list .row', { has: page.locator(`.path:text-is(${JSON.stringify(path)})`) });
    const says = (where, text) => where.getByText(text).first().waitFor({ timeout });
    const many = (where, count) => page.waitForFunction(
        ([selector, wanted]) => document.querySelectorAll(selector).length === wanted, [where, count], { timeout });
    await page.goto(url, { timeout });
    if (process.env.MDM_SCREENSHOTS)
        await page.setViewportSize({ width: 1280, height: 720 });

    // It appears and is opened: JSON is made readable, what is secret is hidden until it is asked for.
    await row('/orders/7').click({ timeout });
    const columns = await row('/orders/7').locator('span').allTextContents();
    if (!/^POST 200 \/orders\/7 shop [\d.]+ m?s 107 B$/.test(columns.join(' ')))
        throw new Error(`the row is ${columns.join(' ')}`);
    await says(detail, '"number": 12345678901234567890');
    await says(detail, '(hidden)');
    if (process.env.MDM_SCREENSHOTS)
        await page.screenshot({ path: join(process.env.MDM_SCREENSHOTS, 'inspector.png') });
    await page.check('#reveal');
    await says(detail, 'Bearer very-secret');
    await page.uncheck('#reveal');
    await says(detail, '(hidden)'); // it is shown anew: a click before would be on what goes
    await detail.getByRole('button', { name: 'Hex' }).first().click();
    await says(detail, '7b 22');

    // Markup of a visitor is text.
    await row('/<img%20src=x%20onerror=alert(1)>').click();
    await says(detail, '<script>');
    if (await page.evaluate(() => document.querySelectorAll('#list img, #list script, #detail script').length) !== 0)
        throw new Error('a visitor has made elements');

    // A picture, and frames of a WebSocket.
    await row('/dot.png').click();
    await page.waitForFunction(() => document.querySelector('#detail img')?.naturalWidth === 1, null, { timeout });
    await row('/ws').click();
    await says(detail, 'hello frames');

    // Again, as it was and edited: both are new requests, and are shown.
    await row('/orders/7').click();
    await detail.getByRole('button', { name: 'Replay', exact: true }).click();
    await row('↻ /orders/7').waitFor({ timeout });
    await detail.locator('.facts', { hasText: 'again' }).waitFor({ timeout });
    await detail.getByRole('button', { name: 'Edit and replay' }).click();
    await detail.locator('input[name=method]').fill('PUT');
    await detail.locator('input[name=path]').fill('/edited');
    await detail.locator('textarea[name=body]').fill('{"changed": true}');
    await detail.getByRole('button', { name: 'Send' }).click();
    await row('↻ /edited').waitFor({ timeout });
    await says(detail, '"changed": true');
    await says(detail, 'echo of PUT with Bearer very-secret');

    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await detail.getByRole('button', { name: 'Copy as curl' }).click();
    await says(detail, '--data-raw');
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    if (!copied.startsWith("curl --globoff --path-as-is -X 'PUT' ") || copied.includes('very-secret'))
        throw new Error(`copied: ${copied}`);

    // A newer state of what is being edited does not take the edit away, whenever it comes.
    const slow = one(port, host, '/slow', false);
    await row('/slow').click({ timeout });
    await page.waitForFunction(() => document.getElementById('detail').dataset.state === 'open', null, { timeout });
    let held;
    const asked = new Promise(resolve => page.route(/\/api\/requests\/\d+$/, route => { held = route; resolve(); }, { times: 1 }));
    await one(port, host, '/go', false);
    await Promise.all([slow, asked]);
    await detail.getByRole('button', { name: 'Edit and replay' }).click();
    const later = page.waitForResponse(answer => answer.url().includes('after='), { timeout }); // when the held one is dealt with
    await held.continue();
    await later;
    if (await detail.locator('form').count() !== 1)
        throw new Error('the edit is gone');
    await detail.getByRole('button', { name: 'Cancel' }).click();

    // Filters.
    const all = await rows.count();
    await page.fill('#text', 'edited');
    await many('#list .row', 1);
    await page.fill('#text', '');
    await page.selectOption('#status', '4');
    await many('#list .row', 1);
    await says(page.locator('#list'), '/missing');
    await page.selectOption('#status', '');
    await page.selectOption('#method', 'PUT');
    await many('#list .row', 1);
    await page.selectOption('#method', '');
    await many('#list .row', all);

    // Ten thousand: however long the list, there are as many elements as can be seen.
    await flood(port, quick, 10000);
    const few = async what => {
        const elements = await page.evaluate(() => document.querySelectorAll('*').length);
        if (elements > 1500)
            throw new Error(`${what}: ${elements} elements`);
    };
    const counted = text => page.waitForFunction(
        wanted => document.getElementById('count').textContent === wanted, text, { timeout: 4 * timeout });
    await counted('10000 requests');
    await few('after many requests');
    await row('/n/9999').waitFor({ timeout });
    await page.evaluate(() => { const list = document.getElementById('list'); list.scrollTop = list.scrollHeight; });
    await row('/n/0').waitFor({ timeout });
    await few('at the end');
    await page.fill('#text', '/n/77');
    await counted('111 of 10000 requests');
    await row('/n/7777').click();
    await says(detail, 'Hello World');
    await few('filtered');
    await page.click('#clear');
    await counted('0 requests');
    const violations = said.filter(text => text.includes('Content Security Policy') || text.startsWith('page error'));
    if (violations.length > 0)
        throw new Error(violations.join('\n'));
};

stories.events = page => events(page, url, timeout);
stories.admin = page => admin(page, url, Number(directory), timeout, said);

const browser = await chromium.launch({
    executablePath: process.env.MDM_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP *.example.com 127.0.0.1'],
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
