// One browser context that minds what must never happen on a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// `refusals` are the statuses that the visit provokes, as the browser notes each in its console.
export async function visit(browser, server, { refusals = [], ...options }, work) {
  const context = await browser.newContext({
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  const problems = [];
  const refused = [];
  context.on("request", (request) => {
    if (!request.url().startsWith(`${server.base}/`)) problems.push(`a request to ${request.url()}`);
    if (/tc_[0-9a-f]{64}/.test(request.url())) problems.push("a key in a URL");
  });
  context.on("console", (message) => {
    if (message.type() !== "error") return;
    const status = message.text().match(/^Failed to load resource: .* a status of (\d+)/)?.[1];
    if (status) refused.push(Number(status));
    else problems.push(`console: ${message.text()}`);
  });
  context.on("weberror", (error) => problems.push(`script: ${error.error()}`));
  const page = await context.newPage();
  try {
    await work(page);
  } finally {
    await context.close();
  }
  assert.deepEqual(problems, []);
  assert.deepEqual(refused, refusals);
}

// Nothing that axe-core knows of keeps anybody from using the page, at either width and in either look.
export async function checkAccess(page) {
  const size = page.viewportSize();
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      // Not as an element: the page's policy allows no script but its own.
      const { violations } = await page.evaluate(`${axe}; axe.run()`);
      const found = violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`,
      );
      assert.deepEqual(found, [], `${page.url()} at ${width} px, ${colorScheme}`);
      const wider = "document.documentElement.scrollWidth > innerWidth";
      assert.equal(await page.evaluate(wider), false, `${page.url()} is wider than ${width} px`);
    }
  }
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: null });
}

export async function signIn(page, server) {
  await page.goto(`${server.base}/dashboard`);
  await page.getByLabel("Management key").fill(server.key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "API Keys", level: 1 }).waitFor();
}
