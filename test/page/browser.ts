/**
 * The page in a real browser, Debian's Chromium, which reports whatever a person would not want.
 *
 * @module
 */

import { linkSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { Hub } from "../support/hub/hub.ts";

const CHROMIUM = Bun.which("chromium");

/** How the page is looked at. */
export interface Look {
  readonly isPhone?: boolean;
  readonly isDark?: boolean;
  /** Whether it takes any certificate. */
  readonly isTrusting?: boolean;
}

/** What must be there comes within this time; it only ends a test that would hang. */
const COMES_MS = 30_000;

/** To start it takes seconds, so that the tests of a file share one. */
let browser: Promise<Browser> | undefined;

/** Ends the browser, after the last test. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = undefined;
}

/** A window of its own in the browser, with one tab. It shares nothing with others. */
export class Viewer implements AsyncDisposable {
  /** Errors, warnings and requests to other hosts. */
  readonly problems: string[] = [];

  private constructor(
    private readonly context: BrowserContext,
    readonly page: Page,
  ) {}

  /** Opens an address. Only requests that begin with `base` are as they should be. */
  static async open(
    base: string,
    hash = "",
    { isPhone, isDark, isTrusting }: Look = {},
  ): Promise<Viewer> {
    browser ??= chromium.launch({
      executablePath: CHROMIUM!,
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    const context = await (
      await browser
    ).newContext({
      viewport: isPhone === true ? { width: 360, height: 740 } : { width: 1280, height: 800 },
      hasTouch: isPhone === true,
      isMobile: isPhone === true,
      ignoreHTTPSErrors: isTrusting === true,
      colorScheme: isDark === true ? "dark" : "light",
    });
    const page = await context.newPage();
    const viewer = new Viewer(context, page);
    page.setDefaultTimeout(COMES_MS);
    page.on("pageerror", (error) => viewer.problems.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) viewer.problems.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(base)) viewer.problems.push(`asks ${request.url()}`);
    });
    await page.goto(`${base}/${hash}`);
    return viewer;
  }

  /** What axe-core finds in what is shown now. */
  async axe(): Promise<string[]> {
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate<Findings>("axe.run()");
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}

/** What axe-core answers. */
interface Findings {
  readonly violations: readonly { id: string; nodes: readonly { html: string }[] }[];
}

const AXE = readFileSync(
  join(dirname(fileURLToPath(import.meta.resolve("axe-core"))), "axe.min.js"),
  "utf8",
);

/**
 * Puts images of a camera into a day of a hub, one at the start of each minute of an hour.
 *
 * @returns their names
 */
export function fillHour(hub: Hub, file: string, camera: string, date: string, hour: number) {
  const folder = join(hub.dataDir, "images", date);
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: 60 }, (_, minute) => {
    const [hh, mm] = [hour, minute].map((part) => String(part).padStart(2, "0"));
    const name = `${camera}-${date}T${hh}.${mm}.00.000001.jpg`;
    linkSync(file, join(folder, name));
    return name;
  });
}
