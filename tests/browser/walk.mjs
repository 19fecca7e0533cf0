// The documented walk through the dashboard, in a real browser: sign in, create, copy, use, rotate,
// watch, revoke; once by mouse and once by keyboard; and again after the server was killed.
//
//   node walk.mjs PROGRAM CHROMIUM [SCREENSHOTS]
import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { Server } from "./server.mjs";
import { checkAccess, signIn, visit } from "./visit.mjs";

const [program, executablePath, screenshots] = process.argv.slice(2);
const server = new Server(program);
const begun = performance.now();
await server.start();
const listens = performance.now();
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  // A wrong key, and a form that is sent once more by a reload.
  await visit(browser, server, { refusals: [401, 409] }, byMouse);
  // Wrong forms, a change that somebody else was quicker with, a forged form, and a page that is not there.
  await visit(browser, server, { refusals: [422, 422, 409, 422, 403, 404] }, otherPages);
  await visit(browser, server, {}, byKeyboard);
  await visit(browser, server, { javaScriptEnabled: false }, withoutScript);
  await underLoad();
  await visit(browser, server, {}, afterKill);
} finally {
  await browser.close();
  await server.remove();
}
console.log(`listening ${Math.round(listens - begun)} ms after its start`);
console.log("5 passed, 0 failed");

async function byMouse(page) {
  const first = performance.now();
  await page.goto(`${server.base}/dashboard`);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  console.log(`the first screen after ${Math.round(performance.now() - first)} ms`);
  await checkAccess(page);
  await page.getByLabel("Management key").fill("tc_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await checkAccess(page);
  await signIn(page, server);

  await page.getByRole("link", { name: "Create API Key" }).click();
  await checkAccess(page);
  await page.getByLabel("Name").fill("Billing service");
  await page.getByLabel("read", { exact: false }).check();
  await page.getByRole("button", { name: "Create API Key" }).click();
  const key = await page.getByLabel("API key", { exact: true }).inputValue();
  assert.match(key, /^tc_[0-9a-f]{64}$/);
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate("navigator.clipboard.readText()"), key);
  await checkAccess(page);
  await page.reload();
  assert.equal((await page.content()).includes(key), false);
  await checkAccess(page);
  assert.deepEqual(await page.evaluate("indexedDB.databases()"), []);
  const stored = await page.evaluate("[{...localStorage}, {...sessionStorage}]");
  const kept = JSON.stringify([stored, await page.context().cookies()]);
  for (const secret of [key, server.key]) assert.equal(kept.includes(secret), false);

  assert.equal(await server.status(key), 200);
  assert.equal(await server.status(key, "POST"), 403);

  await page.getByRole("link", { name: "Go to the key" }).click();
  await page.getByRole("heading", { name: "Billing service", level: 1 }).waitFor();
  const page_of_key = page.url();
  await page.getByLabel("The old secret still works for").selectOption({ label: "1 hour" });
  await page.getByRole("button", { name: "Rotate key" }).click();
  const rotated = await page.getByLabel("API key", { exact: true }).inputValue();
  assert.notEqual(rotated, key);
  await checkAccess(page);
  for (let use = 0; use < 20; use += 1) assert.equal(await server.status(rotated), 200);
  assert.equal(await server.status(key), 200);

  await chartMoves(page, page_of_key);
  await checkAccess(page);
  await shoot(page, "key");
  await page.getByRole("link", { name: "API Keys" }).click();
  await checkAccess(page);
  await shoot(page, "keys");
  await page.getByRole("link", { name: "Audit trail" }).click();
  await checkAccess(page);

  await page.goto(page_of_key);
  await page.getByRole("link", { name: "Revoke key" }).click();
  await checkAccess(page);
  await page.getByLabel("Reason (optional)").fill("the end of the walk");
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("the end of the walk").waitFor();
  assert.equal(await server.status(key), 401);
  assert.equal(await server.status(rotated), 401);

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(page_of_key);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}

// Uses are written every 10 seconds.
async function chartMoves(page, page_of_key) {
  const deadline = performance.now() + 30_000;
  for (;;) {
    await page.goto(page_of_key);
    if ((await page.locator("svg.chart rect.allowed").count()) > 0) return;
    assert.ok(performance.now() < deadline, "the chart does not move");
    await page.waitForTimeout(500);
  }
}

async function otherPages(page) {
  await signIn(page, server);
  await page.getByRole("link", { name: "Create API Key" }).click();
  await page.getByLabel("Name").fill(" ");
  await page.getByRole("button", { name: "Create API Key" }).click();
  await page.getByText("Enter a name.").waitFor();
  await checkAccess(page);
  await page.getByLabel("Name").fill("Changed by two");
  await page.getByRole("button", { name: "Create API Key" }).click();
  await page.getByRole("link", { name: "Go to the key" }).click();
  await page.getByRole("heading", { name: "Changed by two", level: 1 }).waitFor();
  const page_of_key = page.url();
  await page.goto(`${page_of_key}/edit`);
  await page.getByLabel("Name").fill("");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Enter a name.").waitFor();
  await checkAccess(page);
  await page.goto(`${page_of_key}/edit`);
  await page.getByLabel("Name").waitFor();
  await checkAccess(page);

  const other = await page.context().newPage();
  await other.goto(`${page_of_key}/edit`);
  await other.getByLabel("Name").fill("Changed first");
  await other.getByRole("button", { name: "Save" }).click();
  await other.getByRole("heading", { name: "Changed first", level: 1 }).waitFor();
  await other.close();
  await page.getByLabel("Name").fill("Changed second");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Somebody changed this key").waitFor();
  await page.getByRole("heading", { name: "Changed first", level: 1 }).waitFor();
  await checkAccess(page);

  await page.getByRole("button", { name: "Disable key" }).click();
  await page.getByText("disabled", { exact: true }).waitFor();
  await checkAccess(page);
  await page.goto(`${page_of_key}/revoke`);
  await page.getByLabel("Reason (optional)").fill("\u202e");
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByText("Enter at most 1,024 bytes").waitFor();
  await checkAccess(page);
  await page.getByLabel("Reason (optional)").fill("");
  await page.evaluate("document.querySelector('main [name=csrf]').value = '0'");
  await page.getByRole("button", { name: "Revoke key" }).click();
  await page.getByRole("heading", { name: "This form was not accepted" }).waitFor();
  await checkAccess(page);
  await page.goto(`${server.base}/dashboard/none`);
  await page.getByRole("heading", { name: "Not found" }).waitFor();
  await checkAccess(page);
}

async function byKeyboard(page) {
  const { keyboard } = page;
  // Presses Tab until what has the focus is called so.
  const reach = async (name) => {
    for (let presses = 0; presses < 60; presses += 1) {
      await keyboard.press("Tab");
      const called = await page.evaluate(`(() => {
        const at = document.activeElement;
        const label = at.labels?.[0]?.innerText ?? "";
        return [label, at.innerText ?? "", at.value ?? ""].join(" ");
      })()`);
      if (called.includes(name)) return;
    }
    assert.fail(`${name} cannot be reached by Tab`);
  };
  await page.goto(`${server.base}/dashboard`);
  await reach("Management key");
  await keyboard.type(server.key);
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "API Keys", level: 1 }).waitFor();
  await keyboard.press("Tab");
  await keyboard.press("Enter"); // Skip to content
  await reach("Create API Key");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Create API Key" }).waitFor();
  await reach("Name");
  await keyboard.type("By keyboard");
  // It is checked to begin with: off, and on again.
  await reach("read permits");
  await keyboard.press("Space");
  await keyboard.press("Space");
  await reach("Create API Key");
  await keyboard.press("Enter");
  await page.getByText("Copy it now").waitFor();
  await reach("Copy");
  await keyboard.press("Enter");
  await page.getByText("Copied.").waitFor();
  const key = await page.evaluate("navigator.clipboard.readText()");
  assert.equal(await server.status(key), 200);
  await reach("Go to the key");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "By keyboard", level: 1 }).waitFor();
  await reach("Rotate key");
  await keyboard.press("Enter");
  await page.getByText("Copy it now").waitFor();
  const rotated = await page.getByLabel("API key", { exact: true }).inputValue();
  assert.equal(await server.status(rotated), 200);
  assert.equal(await server.status(key), 200);
  await reach("Go to the key");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "By keyboard", level: 1 }).waitFor();
  await reach("Revoke key");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Revoke By keyboard?" }).waitFor();
  await reach("Revoke key");
  await keyboard.press("Enter");
  await page.getByText("revoked", { exact: true }).waitFor();
  assert.equal(await server.status(rotated), 401);
}

async function withoutScript(page) {
  await signIn(page, server);
  await page.getByRole("link", { name: "Create API Key" }).click();
  await page.getByLabel("Name").fill("Without script");
  await page.getByRole("button", { name: "Create API Key" }).click();
  const key = await page.getByLabel("API key", { exact: true }).inputValue();
  assert.equal(await server.status(key), 200);
}

// 5,000 requests, 50 at a time.
async function underLoad() {
  for (let round = 0; round < 100; round += 1) {
    const statuses = await Promise.all(Array.from({ length: 50 }, () => server.status(server.key)));
    assert.deepEqual(new Set(statuses), new Set([200]));
  }
  console.log(`resident memory after 5,000 requests: ${server.residentMemory()} MiB`);
}

async function afterKill(page) {
  await signIn(page, server);
  const { base } = server;
  await server.kill();
  await server.start();
  // The session is of another port now, and a cookie minds none.
  assert.notEqual(server.base, base);
  await page.goto(`${server.base}/dashboard/keys`);
  await page.getByRole("link", { name: "Without script" }).waitFor();
}

async function shoot(page, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`) });
}
