// The status page of a real ditto in a real browser: what it shows, that it goes on by itself, that nothing from outside
// becomes markup, and that it can be used without a mouse. Never asks ditto anything but through the page.
const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { chromium } = require('playwright-core');
const { devstore, ditto, freePort } = require('../setup/programs.cjs');

const PATIENCE = 60000; // ms; no test waits longer for anything
const PICTURES = path.join(process.env.CARGO_TARGET_DIR || path.join(__dirname, '../../target'), 'page');
// Would each run something, were it ever markup, an address or part of a script.
const HOSTILE = [
  '<img src=x onerror="window.pwned=1">',
  '"><script>window.pwned=2</script>',
  '</script><script>window.pwned=3</script>',
  "javascript:window.pwned=4//'\"`${window.pwned=5}",
  '<svg/onload=window.pwned=6><style>*{display:none}</style>&lt;b&gt;&#x202e;\u202egpj',
];
const HOSTILE_STREAM = `customer-${HOSTILE[1]}`;

let source;
let destination;
let config;
let address;
let running;
let browser;
let other;
let load;
const timed = { timeout: 2 * PATIENCE };

const subscription = (stream, group, more = '') => (
  `[[subscription]]\nstream = ${JSON.stringify(stream)}\ngroup = ${JSON.stringify(group)}\n${more}`);
const sides = () => `[source]\nconnection_string = "esdb://${source.address}?tls=false"\n[destination]\nconnection_string = `
  + `"esdb://${destination.address}?tls=false"\n`;

async function write(server, stream, count = 1) {
  const events = Array.from({ length: count }, (_, n) => ({ eventId: randomUUID(), eventType: 'written', data: { n } }));
  const answer = await fetch(`http://${server.address}/streams/${encodeURIComponent(stream)}`, {
    method: 'POST', headers: { 'content-type': 'application/vnd.eventstore.events+json' }, body: JSON.stringify(events),
  });
  assert.equal(answer.status, 201, stream);
}

// Waits until a ditto answers, and says of itself what is wanted.
async function listening(at, wanted = () => true) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      if (wanted(await (await fetch(`${at}/status`)).json())) return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    if (Date.now() > end) throw new Error(`${at} does not say what is wanted`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

before(async () => {
  fs.mkdirSync(PICTURES, { recursive: true });
  [source, destination] = [await devstore(path.join(process.env.PROGRAMS, 'devstore')),
    await devstore(path.join(process.env.PROGRAMS, 'devstore'))];
  // Somebody else has the group of the invoices, and one stream of the destination holds other events.
  const otherPort = await freePort();
  other = ditto(`${sides()}[http]\nlisten = "127.0.0.1:${otherPort}"\n${subscription('$ce-invoice', 'ditto-invoice')}`);
  await write(source, 'invoice-1', 3);
  await write(destination, HOSTILE_STREAM);
  await write(source, HOSTILE_STREAM, 2);
  await write(source, 'customer-1', 40);
  const fault = { fault: 'unavailable', stream: '$ce-payment' };
  await fetch(`http://${source.address}/devstore/faults`, { method: 'POST', body: JSON.stringify(fault) });
  const port = await freePort();
  address = `http://127.0.0.1:${port}`;
  config = `${sides()}[http]\nlisten = "127.0.0.1:${port}"\n${[
    subscription('$ce-customer', 'ditto-customer'), subscription('$ce-order', 'ditto-order', 'create = false\n'),
    subscription('$ce-invoice', 'ditto-invoice'), subscription('$ce-payment', 'ditto-payment'),
    subscription(`$ce-${HOSTILE[0]}`, HOSTILE[4].replace('\u202e', '')),
  ].join('\n')}`;
  await listening(`http://127.0.0.1:${otherPort}`, (status) => status.subscriptions[0]?.state === 'running');
  running = ditto(config);
  await listening(address);
  // In a container there is no user namespace to make a sandbox of; the page is ours.
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
}, timed);

after(async () => {
  clearInterval(load);
  await browser?.close();
  for (const one of [other, running, source, destination]) one?.end();
});

// A fresh page; the test fails if it asks anybody else, or if anything on it goes wrong.
async function open(t, options = {}, prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const faults = [];
  page.on('request', (request) => { if (!request.url().startsWith(address)) faults.push(request.url()); });
  page.on('pageerror', (error) => faults.push(error));
  page.on('dialog', (dialog) => faults.push(dialog.message()));
  page.on('console', (message) => { if (/Content Security Policy/.test(message.text())) faults.push(message.text()); });
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults.map(String).filter((url) => !url.startsWith('data:')), []);
  });
  await prepare(page);
  await page.goto(address);
  await page.locator('.card').first().waitFor();
  return page;
}

const card = (page, name) => page.locator('.card', { has: page.getByRole('heading', { name }) });
const cell = (one, name) => one.locator('.facts-of > div', { hasText: name }).locator('dd');
const until = (page, condition, argument) => page.waitForFunction(condition, argument, { polling: 100 });
const states = (page) => Promise.all([
  ['$ce-customer', '● running'], ['$ce-order', '■ stopped'], ['$ce-invoice', '◆ standby'], ['$ce-payment', '▲ retrying'],
].map(([name, text]) => card(page, name).locator('.state', { hasText: text }).waitFor()));

test('it shows each state with its reason, what to do, and both sides', timed, async (t) => {
  const page = await open(t);
  await states(page);
  await card(page, '$ce-order').locator('.reason', { hasText: 'the group does not exist' }).waitFor();
  await card(page, '$ce-invoice').locator('.reason', { hasText: 'another consumer has the group' }).waitFor();
  await page.locator('#verdict', { hasText: '2 of 5 subscriptions do not copy: 1 stopped, 1 retrying, 1 stream is held.' }).waitFor();
  await page.locator('#destination-state', { hasText: 'answers' }).waitFor();
  await page.locator('.side', { hasText: 'Source' }).locator('bdi', { hasText: source.address }).waitFor();
  await page.locator('#todo li', { hasText: 'ditto verify' }).waitFor();
  await page.locator('#todo li', { hasText: '2 events are in the group\'s parked queue' }).waitFor();
  await page.getByText('streams held', { exact: false }).first().waitFor();
  await page.locator('.tile', { hasText: 'Held' }).locator('dd', { hasText: /^1 stream$/ }).waitFor();
  assert.equal(await page.title(), '■ ditto');
  await cell(card(page, '$ce-customer'), 'Copied since start').filter({ hasText: /^40$/ }).waitFor();
});

test('it goes on by itself, and the history is there when it opens', timed, async (t) => {
  const page = await open(t);
  await states(page);
  await page.evaluate(() => { window.samePage = true; });
  for (let n = 0; n < 5; n += 1) await write(source, 'customer-2', 300);
  await cell(card(page, '$ce-customer'), 'Copied since start').filter({ hasText: '1,540' }).waitFor();
  const chart = (one) => card(one, '$ce-customer').getByRole('img', { name: /^Copied: now .*, maximum [1-9]/ });
  await chart(page).waitFor();
  assert.equal(await page.evaluate(() => window.samePage), true);
  const fresh = await open(t);
  await chart(fresh).waitFor();
  await fresh.locator('svg path.strip.standby').first().waitFor({ state: 'attached' });
});

test('the verdict counts each state that does not copy', timed, async (t) => {
  const page = await open(t, {}, async (fresh) => {
    await fresh.route('**/status', async (route) => {
      const answer = await route.fetch();
      const report = await answer.json();
      ['stopped', 'retrying', 'searching', 'connecting', 'running'].forEach((state, at) => Object.assign(report.subscriptions[at], { state, held: 0 }));
      await route.fulfill({ response: answer, json: report });
    });
  });
  const counts = '1 stopped, 1 retrying, 1 searching, 1 connecting.';
  await page.locator('#verdict', { hasText: `4 of 5 subscriptions do not copy: ${counts}` }).waitFor();
});

// From here on there is always something to see.
test('it is kept busy', timed, async () => {
  let turn = 0;
  load = setInterval(() => {
    turn += 1;
    write(source, `customer-${turn % 7}`, 20 + Math.round(15 * Math.sin(turn / 9))).catch(console.error);
  }, 100);
});

test('text from outside stays text, in the state of a real ditto', timed, async (t) => {
  const page = await open(t);
  const hostile = card(page, '$ce-customer');
  await hostile.locator('summary', { hasText: '1 stream held' }).click();
  assert.equal(await hostile.locator('tbody bdi').textContent(), HOSTILE_STREAM);
  await page.getByRole('heading', { name: HOSTILE[0] }).waitFor();
  assert.equal(await page.locator('script').count(), 1);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
});

test('text from outside stays text, in every field that there is', timed, async (t) => {
  for (const text of HOSTILE) {
    const spoil = (value, key) => {
      if (Array.isArray(value)) return value.length ? value.map((one) => spoil(one, key)) : ['unhealthy', 'unready', 'advice'].includes(key) ? [text] : value;
      if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, spoil(one, name)]));
      if (typeof value === 'string' && key !== 'version') return text + (key === 'stream' || key === 'group' ? randomUUID() : '');
      return value === null && ['last_failure', 'last_error'].includes(key) ? text : value;
    };
    const page = await open(t, {}, async (fresh) => {
      await fresh.route('**/status', async (route) => {
        const answer = await route.fetch();
        const report = spoil(await answer.json());
        for (const one of report.subscriptions) Object.assign(one, { held: 1, restarts: 1, last_error: { text, seconds_ago: 1 },
          held_streams: [{ stream: text, revision: 1, reason: text, text }] });
        await route.fulfill({ response: answer, json: report });
      });
    });
    await page.getByText(text, { exact: true }).first().waitFor({ state: 'attached' });
    for (const summary of await page.locator('summary').all()) await summary.evaluate((node) => node.click());
    assert.equal(await page.locator('script, style').count(), 2, text);
    assert.equal(await page.locator('img, main [onload], main [onerror]').count(), 0, text);
    assert.equal(await page.evaluate(() => window.pwned), undefined, text);
  }
});

test('the policy of the page lets nothing else run, load or be framed', timed, async (t) => {
  const answer = await fetch(address);
  const policy = answer.headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
    assert.ok(policy.includes(part), policy);
  }
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(address);
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.pwned = 1';
    document.body.append(script);
    const button = document.createElement('button');
    button.setAttribute('onclick', 'window.pwned = 2');
    document.body.append(button);
    button.click();
  });
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal(await page.evaluate((url) => fetch(url).then(() => 'answered', () => 'refused'), `http://${source.address}/info`), 'refused');
});

test('everything on it can be reached and used by keyboard', timed, async (t) => {
  const page = await open(t);
  await states(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to subscriptions');
  await page.keyboard.press('Enter');
  await until(page, () => document.activeElement.id === 'subscriptions');
  await page.keyboard.press('Tab');
  await page.keyboard.type('ORDER');
  await page.locator('#shown', { hasText: '1 of 5 shown' }).waitFor();
  assert.equal(await page.locator('.card:visible').count(), 1);
  await page.locator('#find').fill('');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.locator('#shown', { hasText: '3 of 5 shown' }).waitFor();
  await page.keyboard.press('Space');
  const more = card(page, '$ce-order').locator('summary', { hasText: 'More' });
  await more.focus();
  await page.keyboard.press('Enter');
  await card(page, '$ce-order').getByText('Group checked').waitFor();
  // The page goes on meanwhile, and what was opened stays open and keeps the focus.
  const at = await page.locator('#updated').textContent();
  await until(page, (text) => document.getElementById('updated').textContent !== text, at);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'More');
  assert.ok(await card(page, '$ce-order').getByText('Group checked').isVisible());
  await page.locator('#todo a').first().press('Enter');
  await until(page, () => document.activeElement.id.startsWith('subscription-'));
});

for (const [name, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { colorScheme: 'light', viewport: { width: 320, height: 640 }, deviceScaleFactor: 2 }],
  ['phone-dark', { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }],
]) {
  test(`it is legible and has no barriers: ${name}`, timed, async (t) => {
    const page = await open(t, options);
    await states(page);
    await page.locator('#todo li').first().waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= options.viewport?.width || !options.viewport, `${width} pixels wide`);
    await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage: true });
    await page.evaluate(fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
  });
}

test('a screen reader hears the verdict when it changes, and nothing else', timed, async (t) => {
  const page = await open(t);
  await states(page);
  assert.equal(await page.locator('[aria-live]').count(), 1);
  await page.evaluate(() => {
    window.said = 0;
    const options = { childList: true, characterData: true, subtree: true };
    new MutationObserver(() => { window.said += 1; }).observe(document.getElementById('verdict'), options);
  });
  for (let n = 0; n < 2; n += 1) {
    const at = await page.locator('#updated').textContent();
    await until(page, (text) => document.getElementById('updated').textContent !== text, at);
  }
  assert.equal(await page.evaluate(() => window.said), 0);
});

test('it survives that ditto goes and comes back', timed, async (t) => {
  const page = await open(t);
  await states(page);
  await page.evaluate(() => { window.samePage = true; });
  await running.stop();
  await page.locator('#verdict', { hasText: 'ditto has not answered since' }).waitFor();
  await card(page, '$ce-customer').waitFor();
  await page.screenshot({ path: path.join(PICTURES, 'no-answer.png') });
  running = ditto(config);
  await page.locator('#verdict', { hasText: '2 of 5 subscriptions do not copy' }).waitFor();
  await states(page);
  assert.equal(await page.evaluate(() => window.samePage), true);
  assert.equal(await page.locator('body.stale').count(), 0);
});
