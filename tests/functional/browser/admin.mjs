// SPDX-License-Identifier: Apache-2.0
// The server's admin page. PORT of visitors; services of tim (shop, backup), oli (home) and eva (notes), each under example.com.
import { join } from 'node:path';
import { one } from './ask.mjs';

const POLL = 2000;

export async function admin(page, url, port, timeout, said) {
    const secret = process.env.MDM_SECRET;
    const foreign = [];
    page.on('request', request => { if (!request.url().startsWith(url)) foreign.push(request.url()); });
    let answer = true; // to what is asked before a deed
    const questions = [];
    page.on('dialog', dialog => {
        questions.push(dialog.message());
        return answer ? dialog.accept() : dialog.dismiss();
    });
    const rows = (table, ...texts) => texts.reduce((found, hasText) => found.filter({ hasText }), page.locator(`#${table} tr`));
    const gone = locator => locator.first().waitFor({ state: 'detached', timeout });
    const there = locator => locator.first().waitFor({ timeout });
    const press = (row, name) => row.getByRole('button', { name, exact: true }).click({ timeout });
    const ask = host => one(port, `${host}.example.com`, '/', false);
    const must = (truth, what) => { if (!truth) throw new Error(what); };

    // The token: a form, which says when it is wrong, and which leaves nothing in the address.
    const first = await page.goto(url, { timeout });
    must(first.status() === 401, `without the token: ${first.status()}`);
    const logIn = async token => {
        await page.fill('input[name=token]', token, { timeout });
        await page.getByRole('button', { name: 'Log in' }).click();
    };
    await logIn(`${secret}x`);
    await there(page.getByText('That is not the token.'));
    await logIn(secret);
    await there(page.locator('#state', { hasText: 'ready' }));
    must(page.url() === url, `the address is ${page.url()}`);

    // Clients, their services, their streams and what those wait for.
    await there(rows('clients', 'tim', 'shop'));
    await there(rows('clients', 'oli', 'home'));
    await there(rows('streams', 'tim', 'backup', 'no credit of stream'));
    await there(rows('lines', 'oli', 'SHA256:'));
    must(await page.locator('#facts div', { hasText: 'Clients' }).first().locator('dd').textContent() === '3', 'three clients');
    if (process.env.MDM_SCREENSHOTS) {
        await page.setViewportSize({ width: 1280, height: 720 });
        for (const until = Date.now() + 3 * POLL; Date.now() < until;)
            await Promise.all(['shop.tim', 'shop.tim', 'home.oli', 'notes.eva'].map(ask));
        await page.screenshot({ path: join(process.env.MDM_SCREENSHOTS, 'admin.png') });
    }

    // Filters: by text, and what is blocked.
    await page.fill('#filter', 'OLI');
    await gone(rows('clients', 'tim'));
    must(await rows('clients').count() === 1 && (await page.locator('#clients-count').textContent()) === '1 of 3', 'one of three');
    await page.fill('#filter', '');
    await page.check('#blocked');
    must(await rows('streams').count() === await page.locator('#streams .blocked').count(), 'only those that are blocked');
    await there(rows('streams', 'backup'));
    await page.uncheck('#blocked');

    // What has the focus keeps it while answers come in.
    const focused = rows('clients', 'oli').getByRole('button', { name: 'Disconnect' });
    await focused.focus();
    for (let i = 0; i < 2; i++)
        await page.waitForResponse(got => got.url().endsWith('/api/streams'), { timeout });
    await there(rows('clients', 'oli'));
    must(await focused.evaluate(element => element === document.activeElement), 'the focus is lost');

    // Disconnected: only once it is confirmed; the next visitor brings another session.
    answer = false;
    await press(rows('clients', 'oli'), 'Disconnect');
    await page.waitForResponse(got => got.url().endsWith('/api/streams'), { timeout });
    await there(rows('clients', 'oli'));
    answer = true;
    await press(rows('clients', 'oli'), 'Disconnect');
    await gone(rows('clients', 'oli'));
    must(await ask('home.oli') === 200, 'it is back with the next visitor');
    await there(rows('clients', 'oli'));

    // Denied, and let in again; what is wrong with a key is said.
    const key = await rows('lines', 'oli').locator('.key').textContent();
    await press(rows('clients', 'oli'), 'Deny');
    await gone(rows('clients', 'oli'));
    await there(rows('lines', 'oli', 'denied'));
    must(await ask('home.oli') !== 200, 'a denied client is not asked');
    const allow = async key => {
        await page.fill('#allow [name=client]', 'oli');
        await page.fill('#allow [name=key]', key);
        await page.getByRole('button', { name: 'Allow' }).click();
    };
    await allow('no key');
    await there(page.locator('#error', { hasText: 'fingerprint' }));
    await allow(key);
    await gone(rows('lines', 'oli', 'denied'));
    await there(rows('lines', 'oli', key));
    while (await ask('home.oli') !== 200) // it comes back by itself
        await page.waitForResponse(got => got.url().endsWith('/api/streams'), { timeout });
    await there(rows('clients', 'oli'));
    await press(rows('lines', 'eva'), 'Forget');
    await gone(rows('lines', 'eva'));
    must(questions.length === 6, `asked: ${questions.join(' ')}`);

    // A cookie that is not known any more (a server that was started anew) leads back to the form.
    await page.context().clearCookies();
    await there(page.getByText('A token is needed'));
    await logIn(secret);
    await there(rows('clients', 'tim'));

    // The end.
    await page.click('#drain');
    await there(page.locator('#state', { hasText: 'draining' }));
    await there(page.locator('#error', { hasText: 'does not answer' }));
    must(foreign.length === 0, `asked elsewhere: ${foreign}`);
    const wrong = said.filter(text => text.includes('Content Security Policy') || text.startsWith('page error'));
    must(wrong.length === 0, wrong.join('\n'));
}
