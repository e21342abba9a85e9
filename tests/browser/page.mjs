// The page in a real browser: `node page.mjs SCENARIO`, with what it needs in the environment (see main.rs). Exits with 1 and a
// sentence when something is not as it should be.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const { BASE, READ_TOKEN, ACT_TOKEN, OTHER_TOKEN, SHOTS, TAGWRIGHT_TEST_BROWSER: folder } = process.env;
const require = createRequire(`${folder}/node_modules/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const VIEWS = [
  '/', '/policies', '/policies?q=state:failing', '/policies?q=nothing-like-that', '/policies/default/app-0', '/policies/default/app-1',
  '/policies/default/app-0?tag=2.0.0', '/automations', '/automations/default/shop-0', '/automations/default/shop-2',
  '/automations/default/shop-1?plan=1', '/history', '/history?about=default%3Aapp-0', '/holds', '/registries', '/remotes', '/replicas',
  '/do/release?of=default%3Aapp-1', '/do/freeze?of=*', '/nothing-here',
];

// What every page may do is nothing that its policy forbids, and nothing that fails.
const watch = (page) => {
  const wrong = [];
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(message.text()); });
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => { if (!request.url().startsWith(BASE) && !request.url().startsWith('data:')) wrong.push(`asks ${request.url()}`); });
  return wrong;
};

const launch = () => chromium.launch({ executablePath: `${folder}/chromium`, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

const login = async (page, token) => {
  await page.goto(`${BASE}/login`);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(`${BASE}/`);
};

const open = async (browser, options = {}, token = ACT_TOKEN) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, timezoneId: 'Asia/Kolkata', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  await login(page, token);
  return page;
};

const api = (path, body, token = OTHER_TOKEN) => fetch(`${BASE}/api/v1/${path}`, {
  method: 'POST', body: JSON.stringify(body ?? {}), headers: { Authorization: `Bearer ${token}` },
}).then(async (answer) => { assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`); return answer.json(); });

// The lines of a page, without the times, which scripts put into words, and without what only they can do.
const lines = (page) => page.evaluate(() => {
  const copy = document.querySelector('#main').cloneNode(true);
  copy.querySelectorAll('time, .star, #favourites, .notice').forEach((it) => it.remove());
  return copy.textContent.split('\n').map((line) => line.replace(/\s+/g, ' ').trim()).filter(Boolean);
});

const name = (path) => path.replace(/^\/$/, 'overview').replace(/^\//, '').replace(/[^a-z0-9]+/gi, '-').replace(/-$/, '');

const scenarios = {
  // Each view with real data, light, dark and on a phone: nothing fails, nothing is loaded from elsewhere, and axe finds nothing serious.
  async views(browser) {
    mkdirSync(SHOTS, { recursive: true });
    const kinds = { light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true } };
    for (const [kind, options] of Object.entries(kinds)) {
      const page = await open(browser, options);
      const wrong = watch(page);
      for (const path of [...VIEWS, '/login']) {
        const response = await page.goto(BASE + path);
        assert.ok([200, 404].includes(response.status()), `${path}: ${response.status()}`);
        if (path === '/nothing-here') continue;
        assert.equal(await page.locator('h1').count(), 1, path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wide <= 0, `${kind} ${path} is ${wide} pixels too wide`);
        if (kind === 'phone') {
          const small = await page.evaluate(() => [...document.querySelectorAll('main a.button, main button, header nav a')]
            .filter((it) => it.offsetHeight > 0 && it.offsetHeight < 44).map((it) => it.textContent));
          assert.deepEqual(small, [], `${path}: too small to touch`);
        }
        await page.evaluate(axe);
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        const grave = found.violations.filter((it) => ['serious', 'critical'].includes(it.impact));
        assert.deepEqual(grave.map((it) => [it.id, it.nodes.map((node) => node.html)]), [], `${kind} ${path}`);
        await page.screenshot({ path: `${SHOTS}/${name(path)}-${kind}.png`, fullPage: true });
      }
      const real = wrong.filter((it) => !it.includes('404'));
      assert.deepEqual(real, [], kind);
      await page.context().close();
    }
  },

  // All that is told is told without scripts, too.
  async bare(browser) {
    const [page, bare] = [await open(browser), await open(browser, { javaScriptEnabled: false }).catch((error) => { throw error; })];
    for (const path of VIEWS.filter((path) => path !== '/nothing-here')) {
      await page.goto(BASE + path);
      await bare.goto(BASE + path);
      const told = await lines(page);
      // Without scripts nothing can be asked of the page from within: its text comes from outside.
      const text = (await bare.locator('#main').innerHTML()).replace(/<time[^>]*>.*?<\/time>/gs, '');
      const without = text.replace(/<p class="notice".*?<\/p>/gs, '').replace(/<[^>]+>/g, '').replace(/&amp;/g, '&').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&nbsp;/g, ' ');
      const there = new Set(without.split('\n').map((line) => line.replace(/\s+/g, ' ').trim()));
      const count = (line) => !/^\d+ of \d+/.test(line); // what was asked of a registry meanwhile
      assert.deepEqual(told.filter((line) => count(line) && !there.has(line)), [], path);
      assert.ok(told.length > 1, path);
    }
    // And all that is ordered can be.
    await bare.goto(`${BASE}/policies/default/app-3`);
    await bare.getByRole('link', { name: 'Hold', exact: true }).click();
    await bare.getByLabel('Why').fill('no scripts here');
    await bare.getByRole('button', { name: 'Hold' }).click();
    assert.match(await bare.locator('main').innerHTML(), /by ann since .*: no scripts here/s);
    await api('policies/default/app-3/release');
  },

  // A hold is let go of: the sentence, one confirmation, and who did it.
  async release(browser) {
    const page = await open(browser);
    const wrong = watch(page);
    await page.goto(`${BASE}/holds`);
    await page.getByRole('link', { name: 'Release default:app-1' }).first().click();
    assert.match(await page.locator('h1').innerText(), /^Release default:app-1: the next run writes .*1\.0\.1 in 1 file\.$/);
    await page.getByLabel('Why').fill('1.0.1 is good after all');
    const sent = page.url();
    await page.getByRole('button', { name: 'Release' }).click();
    await page.waitForURL(`${BASE}/policies/default/app-1`);
    await page.getByText('default:app-1 is released.').waitFor();
    // The bot writes it, which the page shows without being asked.
    await page.locator('.rows li.current', { hasText: '1.0.1' }).first().waitFor();
    assert.match(await page.locator('main').innerText(), /released[\s\S]*by ann/);
    // The form before is good for nothing any more.
    await page.goBack();
    if (page.url() !== sent) await page.goto(sent);
    assert.deepEqual(wrong, []);
  },

  // What happens elsewhere shows without a reload: an order of somebody else, and a commit.
  async live(browser) {
    const page = await open(browser);
    await page.goto(`${BASE}/history`);
    await page.evaluate(() => { window.stays = true; });
    // The connection has to be there before something happens.
    await page.waitForTimeout(1);
    await api('policies/default/app-4/hold', { reason: 'somebody else says so' });
    await page.getByText('somebody else says so').waitFor();
    assert.match(await page.locator('.rows li').first().innerText(), /held by hand[\s\S]*default:app-4[\s\S]*by bob/);
    await api('poll', { policy: 'default:app-6' });
    await page.locator('.rows li', { hasText: 'app-6.yaml' }).first().waitFor();
    assert.ok(await page.evaluate(() => window.stays), 'it was not loaded anew');
    const time = page.locator('.rows time').first();
    assert.match(await time.getAttribute('title'), /Asia\/(Kolkata|Calcutta)/);
    assert.match(await page.locator('footer').innerText(), /Times are those of Asia/);
    // What somebody types stays.
    await page.getByLabel('Only of').fill('default:app');
    await api('policies/default/app-4/release');
    await page.waitForTimeout(1500);
    assert.equal(await page.getByLabel('Only of').inputValue(), 'default:app');
    await page.getByLabel('Only of').blur();
  },

  // Search as one types, keys, favourites.
  async search(browser) {
    const page = await open(browser);
    await page.goto(`${BASE}/policies`);
    await page.keyboard.press('/');
    await page.keyboard.type('app-3');
    await page.waitForFunction(() => document.querySelector('h1').textContent.startsWith('1 policy of'));
    assert.equal(await page.locator('tbody tr').count(), 1);
    assert.equal(new URL(page.url()).search, '?q=app-3');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'search', 'one can go on typing');
    await page.keyboard.press('Escape');
    await page.getByLabel('Search').fill('state:failing');
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1 && document.querySelector('tbody tr.failing'));
    await page.locator('h1').click();
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await page.waitForURL(`${BASE}/history`);
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('copy the link').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.goto(`${BASE}/policies/default/app-0`);
    await page.keyboard.press('s');
    await page.getByRole('button', { name: 'Favourite', pressed: true }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await page.locator('#favourites a', { hasText: 'default:app-0' }).click();
    await page.getByRole('button', { name: 'Favourite' }).click();
    assert.equal(await page.evaluate(() => localStorage.getItem('tagwright.favourites')), '[]');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.keyboard.press('c');
    await page.getByText('The link is copied.').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${BASE}/policies/default/app-0`);
    // Numbers that are written into another view's search are no script of it.
    await page.goto(`${BASE}/policies?q=${encodeURIComponent('"><img src=x onerror=alert(1)>')}`);
    assert.equal(await page.locator('img').count(), 0);
  },

  // Whoever may only look has commands; a session that has ended leads to the login and back.
  async rights(browser) {
    const page = await open(browser, {}, READ_TOKEN);
    await page.goto(`${BASE}/policies/default/app-1`);
    assert.equal(await page.locator('a.button').count(), 0);
    await page.getByText('tagwright release default:app-1', { exact: true }).first().waitFor();
    const cookies = await page.context().cookies();
    assert.deepEqual(cookies.map((it) => [it.name, it.httpOnly, it.sameSite]), [['tagwright-session', true, 'Strict']]);
    assert.equal(await page.evaluate(() => document.cookie), '');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.goto(`${BASE}/holds`);
    await page.getByLabel('Token').fill(ACT_TOKEN);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${BASE}/holds`);
    assert.match(await page.locator('header').innerText(), /ann/);
    // A page of another site can have the browser send a form here, and it is refused.
    const status = await page.evaluate(async (base) => {
      const other = base.replace('127.0.0.1', 'localhost');
      const sent = await fetch(`${other}/do/poll`, { method: 'POST', mode: 'no-cors', body: 'of=*&form=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }).catch((error) => String(error));
      return String(sent);
    }, BASE);
    assert.match(status, /TypeError/, 'the page itself may not even ask elsewhere');
  },

  // What a newcomer asks, each with at most three clicks from the overview. The guide has the same.
  async questions(browser) {
    const page = await open(browser);
    let clicks;
    const click = async (label, locator) => {
      clicks.push(label);
      await locator.click();
      await page.waitForLoadState('load');
    };
    const menu = (label) => click(label, page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: label, exact: true }));
    const main = page.locator('main');
    const says = async (...patterns) => { for (const pattern of patterns) assert.match(await main.innerText(), pattern); };
    const row = (text) => main.locator('tr', { hasText: text }).first();
    const QUESTIONS = [
      ['Why is podinfo not updated?', async () => {
        await menu('Policies');
        await click('the policy', row('default:app-1').getByRole('link').first());
        await says(/held by bob since/, /1\.0\.1 eats data/);
      }],
      ['Why this tag, and not 2.0.0?', async () => {
        await menu('Policies');
        await click('the policy', row('default:app-0').getByRole('link').first());
        await page.getByLabel('Why not the tag').fill('2.0.0');
        await click('Ask', page.getByRole('button', { name: 'Ask' }));
        await says(/2\.0\.0 is not selected/);
      }],
      ['Which tag is in use, since when, and which one was before?', async () => {
        await menu('Policies');
        const text = await row('default:app-0').innerText();
        assert.match(text, /1\.0\.1[\s\S]*before 1\.0\.0/);
      }],
      ['What did the bot do last night?', async () => {
        await menu('History');
        await says(/commits? and \d+ other entries since/, /app-0\.yaml:3/);
      }],
      ['Who suspended prod?', async () => {
        await click('the row of the automation', main.getByRole('link', { name: 'default/shop-2', exact: true }).first());
        await says(/suspended by bob since/, /the cluster moves/);
      }],
      ['What is held back, and how do I let it go?', async () => {
        await menu('Holds');
        await says(/stays at .*1\.0\.0, not .*1\.0\.1/);
        await main.getByRole('link', { name: 'Release default:app-1' }).first().waitFor();
      }],
      ['What would be written now?', async () => {
        await menu('Automations');
        await click('the automation', row('default/shop-1').getByRole('link').first());
        await click('Ask its remote and plan', page.getByRole('link', { name: 'Ask its remote and plan' }));
        await says(/Nothing: 2 updates are held back/);
      }],
      ['Why does a poll fail, and what helps?', async () => {
        await menu('Registries');
        await says(/since/, /What helps:/);
      }],
      ['Does anything throttle us, and how much do we ask?', async () => {
        await menu('Registries');
        await says(/at once, \d+ a second/);
      }],
      ['How do I stop everything at once?', async () => {
        await click('Freeze everything', main.getByRole('link', { name: 'Freeze everything' }));
        await says(/^Freeze everything: until that ends, nothing of it is written/);
        await page.getByRole('button', { name: 'Freeze' }).waitFor();
      }],
    ];
    for (const [question, answers] of QUESTIONS) {
      clicks = [];
      await page.goto(`${BASE}/`);
      await answers().catch((error) => { throw new Error(`${question}: ${error.message}`); });
      assert.ok(clicks.length <= 3, question);
      await page.screenshot({ path: `${SHOTS}/question-${name(question)}.png` });
      console.log(JSON.stringify({ question, clicks: clicks.join(' → ') }));
    }
  },
};

const browser = await launch();
try {
  await scenarios[process.argv[2]](browser);
} finally {
  await browser.close();
}
