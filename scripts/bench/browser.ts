/**
 * Looks at the page of a hub in Chromium, as a person does, and measures it there.
 *
 * @module
 */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page, type Request } from "playwright-core";
import { has, remedy } from "../lib/available.ts";

/** Linux without groups has no such file. */
const LAUNCHER = `#!/bin/sh
{ echo 19 >/proc/self/autogroup; } 2>/dev/null
exec nice -n 19 chromium "$@"
`;

/** Notes when the first picture is on the screen, and how long tasks hold up the page. */
const WATCH = `
  globalThis.tasks = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration);
  }).observe({ type: "longtask" });
  globalThis.firstPicture = new Promise((resolve) => {
    const look = () => {
      if (document.querySelector(".picture.loaded") === null) requestAnimationFrame(look);
      else requestAnimationFrame(() => resolve(performance.now()));
    };
    requestAnimationFrame(look);
  });
`;

/** Scrolls the grid from its begin to its end in so many seconds. */
const SCROLL = `async (seconds) => {
  const grid = document.querySelector(".grid");
  tasks.length = 0;
  const startMs = performance.now();
  for (let done = 0; done < 1;) {
    done = Math.min(1, (performance.now() - startMs) / 1000 / seconds);
    grid.scrollTop = done * (grid.scrollHeight - grid.clientHeight);
    await new Promise(requestAnimationFrame);
  }
  return Math.max(0, ...tasks);
}`;

/**
 * A browser that leaves a processor to the hub at once, as if it ran on another machine. Where the
 * kernel groups processes by session, their niceness counts only within the group, which has its
 * own.
 */
export async function openBrowser(folder: string): Promise<Browser> {
  if (!has("browser")) throw new Error(`Cannot look at the page, missing: ${remedy("browser")}`);
  const program = join(folder, "chromium");
  writeFileSync(program, LAUNCHER);
  chmodSync(program, 0o755);
  return await chromium.launch({
    executablePath: program,
    args: ["--no-sandbox"],
    // Its own files in memory: it flushes them, which would hold up the hub's disk.
    env: { ...process.env, TMPDIR: "/dev/shm", HOME: "/dev/shm" },
  });
}

/** Opens an address in a new tab that has nothing of others. */
export async function openPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.addInitScript(WATCH);
  return page;
}

/** Goes to an address. @returns how long until the first picture is seen, in milliseconds */
export async function firstPictureMs(page: Page, address: string): Promise<number> {
  // What is only another hash would not be loaded.
  await page.goto("about:blank");
  await page.goto(address);
  return await page.evaluate<number>("firstPicture");
}

/** A request of a browser. */
export interface Asked {
  /** In milliseconds since it began to scroll. */
  readonly atMs: number;
  readonly url: string;
}

/** What scrolling through a day was like. */
export interface Scrolled {
  /** In milliseconds; 0 if none took 50. */
  readonly longestTaskMs: number;
  readonly asked: readonly Asked[];
}

/** Scrolls through a day that is shown, from its begin to its end in so many seconds. */
export async function scrollThrough(page: Page, seconds: number): Promise<Scrolled> {
  const asked: Asked[] = [];
  const startMs = performance.now();
  const note = (request: Request): void => {
    asked.push({ atMs: performance.now() - startMs, url: request.url() });
  };
  page.on("request", note);
  const longestTaskMs = await page.evaluate<number>(`(${SCROLL})(${seconds})`);
  page.off("request", note);
  return { longestTaskMs, asked };
}

/** Asks again for what a browser has asked for, at the same pace. */
export async function replay(asked: readonly Asked[], base: string): Promise<void> {
  const startMs = performance.now();
  await Promise.all(
    asked.map(async ({ atMs, url }) => {
      await Bun.sleep(Math.max(0, atMs - (performance.now() - startMs)));
      const { pathname, search } = new URL(url);
      const response = await fetch(`${base}${pathname}${search}`);
      await response.arrayBuffer();
    }),
  );
}
