/** The page of a whole hub in a real browser, as a person uses it. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/free-port.ts";
import { BARN, FIXTURES } from "../e2e/stored.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { Sender } from "../support/peers/sender.ts";
import { lacks } from "../../scripts/lib/available.ts";
import { closeBrowser, fillHour, type Look, Viewer } from "./browser.ts";

setDefaultTimeout(120_000);

afterAll(closeBrowser);

const GATE = join(FIXTURES, "Driveway-Mailbox-2021-09-23T16.58.47.490303.jpg");
const TOKEN = "0123456789abcdef0123456789abcdef";

/** For a tab: it is seen only after `isSeen = true`. */
const HIDDEN = `Object.defineProperty(document, "hidden", { get: () => !globalThis.isSeen })`;

function yesterdayOf(hub: Hub): string {
  return new Date(Date.parse(hub.today()) - 86_400_000).toISOString().slice(0, 10);
}

/** A hub with an hour of two cameras, and events of them, yesterday. */
async function hubOfYesterday(): Promise<{ hub: Hub; url: string; date: string }> {
  const hub = await startHub({ env: WITH_HTTP });
  const date = yesterdayOf(hub);
  fillHour(hub, GATE, "Gate", date, 14);
  fillHour(hub, BARN, "Barn", date, 14);
  const lines = ["14:03:20,000 ~ Gate|motion|moving", "14:30:00,000 ~ Barn|Temp|76 F"];
  const log = lines.map((line) => `${date} ${line}\n`).join("");
  writeFileSync(join(hub.dataDir, "logs", `imagehub.log.${date}`), log);
  return { hub, url: httpOf(hub), date };
}

describe.skipIf(lacks("browser", "python"))("the page", () => {
  test("says how to send a first image, and shows it when it comes", async () => {
    const publish = `tcp://127.0.0.1:${freePort()}`;
    const replicate = {
      endpoint: `http://127.0.0.1:${freePort()}`,
      bucket: "farm",
      name: "barn",
      access_key: "key",
      secret_key: "secret",
    };
    await using hub = await startHub({
      env: WITH_HTTP,
      settings: { hub: { publish, replicate } },
    });
    await using viewer = await Viewer.open(httpOf(hub));
    const { page, problems } = viewer;
    // As in the log. From a checkout, there is no program `imagehub`.
    const line = / To send a first image: (.*)/.exec(hub.output())![1]!;
    await page.getByText(line).waitFor();
    await using other = await Viewer.open(httpOf(hub), "", { isPhone: true, isDark: true });
    await other.page.getByText(line).waitFor();
    await using sender = new Sender(hub.port);
    await sender.jpg("Barn|jpg|moving", { file: BARN });
    await page.locator(".tile", { hasText: "1 image today" }).waitFor();
    await other.page.locator(".tile", { hasText: "1 image today" }).waitFor();
    await sender.event("Barn|motion|still");
    await page.locator(".tile", { hasText: "motion still" }).waitFor();
    // How those do that are told of it.
    await page.reload();
    const told = page.locator(".outlets li", { hasText: publish });
    await told.filter({ hasText: /connected for \d+ s · 0 subscribers · 0 sent$/ }).waitFor();
    const copy = page.locator(".outlets li", { hasText: "/farm/barn" });
    const words = /not connected · 0 images copied · 1 waiting \(.+\) · the oldest for \d+ s/;
    await copy.filter({ hasText: words }).waitFor();
    expect(problems).toEqual([]);
  });

  test("marks a silent camera, and one that is back, as soon as the hub tells it", async () => {
    await using hub = await startHub({ env: WITH_HTTP, settings: { hub: { patience: 0.1 } } });
    await using sender = new Sender(hub.port);
    await sender.jpg("Barn Left|jpg|moving", { file: BARN });
    await sender.event("Barn|Temp|76 F");
    await using viewer = await Viewer.open(httpOf(hub));
    const { page } = viewer;
    // Nothing is asked from time to time; the clock goes on.
    await page.addInitScript(
      "each = setInterval, setInterval = (tick, ms) => (ms > 1000 ? 0 : each(tick, ms))",
    );
    await page.reload();
    const tile = page.locator(".tile", { hasText: "Barn-Left" });
    await tile.getByText("1 image today").waitFor();
    await tile.getByText(/^silent for/).waitFor();
    const isMarked = async (): Promise<boolean> => (await page.locator(".tile.silent").count()) > 0;
    // A word of another of its views is enough.
    await answered(
      async () => {
        await sender.event("Barn|Temp|77 F");
        return await isMarked();
      },
      (isSilent) => !isSilent,
    );
    await answered(isMarked, (isSilent) => isSilent);
    await answered(
      async () => {
        await sender.jpg("Barn Left|jpg|moving", { file: BARN });
        return await isMarked();
      },
      (isSilent) => !isSilent,
    );
    expect(await page.locator(".tile").count()).toBe(1);
  });

  test("goes to yesterday 14:00 at the gate in three clicks, and to a typed time", async () => {
    const { hub, url, date } = await hubOfYesterday();
    await using _ = hub;
    await using viewer = await Viewer.open(url);
    const { page, problems } = viewer;
    const yesterday = page.getByRole("region", { name: date });
    await page.getByRole("button", { name: "Go to" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Gate" }).click();
    await yesterday.getByText("14", { exact: true }).click();
    await page.getByText("60 of 120 images, 1 of 2 events").waitFor();
    await page.getByRole("link", { name: "14:05:00 Gate" }).click();
    await page.getByText("14:05:00.000001", { exact: true }).waitFor();
    expect(page.url()).toContain(`#/day/${date}/Gate-${date}T14.05.00.000001.jpg`);
    await page.keyboard.press("g");
    await page.getByLabel("Time", { exact: true }).fill("noon");
    await page.keyboard.press("Enter");
    await page.getByText("Type a time such as 14:05").waitFor();
    await page.getByLabel("Time", { exact: true }).fill("14:33");
    await yesterday.getByText("Yesterday").click();
    await page.locator(".cell.marked").getByText("14:33:00").waitFor();
    // Links that are wrong.
    await page.goto(`${url}/#/day/${date}?camera=Nope&at=99:99`);
    await page.getByText("No images of Nope on this day").waitFor();
    await page.getByText("Show all cameras").click();
    await page.getByText("120 images, 2 events").waitFor();
    await page.goto(`${url}/#/day/2026-13-45`);
    await page.getByText("The link #/day/2026-13-45 leads nowhere: this is Now.").waitFor();
    await page.getByRole("link", { name: "no images today" }).first().click();
    await page.getByText("60 of 120 images").waitFor();
    expect(problems).toEqual([]);
  });

  test("opens the image of yesterday 14:05 at the gate with three clicks, of thousands", async () => {
    const { hub, url, date } = await hubOfYesterday();
    await using _ = hub;
    for (let camera = 1; camera <= 12; camera++)
      for (let hour = 8; hour < 20; hour++) fillHour(hub, BARN, `Barn${camera}`, date, hour);
    await using viewer = await Viewer.open(url);
    const { page, problems } = viewer;
    await page.evaluate("clicks = 0, addEventListener('click', () => clicks++, true)");
    const yesterday = page.getByRole("region", { name: date });
    await page.getByRole("button", { name: "Go to" }).click();
    await yesterday.getByRole("button", { name: "14:00, 840 images" }).click();
    await yesterday.getByRole("link", { name: "Gate 14:05, 5 images" }).click();
    await page.getByText("14:05:00.000001", { exact: true }).waitFor();
    await page.getByText("6 of 60").waitFor();
    expect(await page.evaluate("clicks")).toBe(3);
    expect(page.url()).toContain(`#/day/${date}/Gate-${date}T14.05.00.000001.jpg?camera=Gate`);
    expect(problems).toEqual([]);
  });

  test("shades the hours of each day by their images, of the cameras that are chosen", async () => {
    const { hub, url, date } = await hubOfYesterday();
    await using _ = hub;
    fillHour(hub, GATE, "Gate", date, 15);
    await using viewer = await Viewer.open(url, "#/calendar");
    const { page, problems } = viewer;
    const hour = (name: string) => page.getByRole("region", { name: date }).getByLabel(name);
    const shadeOf = async (name: string): Promise<unknown> =>
      await hour(name).evaluate((link) =>
        link.computedStyleMap().get("background-color").toString(),
      );
    await page.keyboard.press("g");
    const shades = [
      await shadeOf("13:00, no images"),
      await shadeOf("15:00, 60 images"),
      await shadeOf("14:00, 120 images"),
    ];
    expect(new Set(shades).size).toBe(3);
    await page.getByRole("dialog").getByRole("button", { name: "Barn" }).click();
    expect(await shadeOf("15:00, no images")).toBe(shades[0]);
    expect(await shadeOf("14:00, 60 images")).toBe(shades[2]);
    await page.getByRole("dialog").getByRole("button", { name: "Gate" }).click();
    await hour("14:00, 120 images").click();
    await page.getByRole("link", { name: "Barn 14:55, 5 images" }).waitFor();
    expect(await viewer.axe()).toEqual([]);
    await page.getByText("the whole hour").click();
    await page.getByText("180 images, 2 events").waitFor();
    await page.locator(".cell.marked").getByText("14:00:00").waitFor();
    // With a time that is typed, no minutes are asked for.
    await page.keyboard.press("g");
    await page.getByLabel("Time", { exact: true }).fill("14:33");
    await hour("14:33, 120 images").click();
    await page.locator(".cell.marked").getByText("14:33:00").waitFor();
    expect(problems).toEqual([]);
  });

  test("goes to a time that is clicked or typed, and filters", async () => {
    const { hub, url, date } = await hubOfYesterday();
    await using _ = hub;
    await using viewer = await Viewer.open(url, `#/day/${date}`);
    const { page, problems } = viewer;
    const marked = page.locator(".cell.marked");
    const timeline = page.getByRole("slider", { name: "Time of day" });
    const { width = 0 } = (await timeline.boundingBox()) ?? {};
    await timeline.click({ position: { x: (width * (14 * 60 + 30)) / 1440, y: 10 } });
    await marked.getByText(/14:(?:29|30|31):00/).waitFor();
    await page.getByLabel("Time: type one").fill("25:70");
    await page.keyboard.press("Enter");
    await page.getByText("Type a time such as 14:05").waitFor();
    await page.getByLabel("Time: type one").fill("1442");
    await page.keyboard.press("Enter");
    await marked.getByText("14:42:00").waitFor();
    await page.getByRole("button", { name: "Gate", exact: true }).click();
    await page.waitForURL(/camera=Gate/);
    await marked.getByText("Gate").waitFor();
    await page.getByRole("button", { name: "Event before" }).click();
    await page.getByText("Gate motion moving").waitFor();
    await page.getByText("14:42").first().waitFor({ state: "hidden" });
    // The address has all of it.
    await page.waitForURL(/at=14:03:20/);
    await page.reload();
    await page.getByText("Gate motion moving").waitFor();
    expect(await page.getByText("Barn").count()).toBe(1);
    expect(problems).toEqual([]);
  });

  test("shows one image after the other, and saves and protects them", async () => {
    const { hub, url, date } = await hubOfYesterday();
    await using _ = hub;
    const name = `Gate-${date}T14.05.00.000001.jpg`;
    await using viewer = await Viewer.open(url, `#/day/${date}/${name}?camera=Gate`);
    const { page, problems } = viewer;
    await page.getByText("6 of 60").waitFor();
    await page.keyboard.press("ArrowRight");
    await page.getByText("7 of 60").waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press(" ");
    await page.getByText(/^(?:9|[1-5]\d) of 60$/).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.keyboard.press("End");
    await page.getByText("60 of 60").waitFor();
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByText(/^[1-5] of 60$/).waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.keyboard.press("Home");
    await page.getByText("1 of 60", { exact: true }).waitFor();
    await page.waitForURL(/14\.00\.00\.000001/);
    const downloading = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download" }).click();
    const saved = await downloading;
    expect(saved.suggestedFilename()).toBe(`Gate-${date}T14.00.00.000001.jpg`);
    expect(readFileSync(await saved.path()).equals(readFileSync(GATE))).toBe(true);
    await page.getByRole("button", { name: "Protect" }).click();
    await page.getByRole("button", { name: "Protected" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".cell.marked .caption svg").waitFor();
    await page.locator(".cell.marked a:focus").waitFor();
    expect(problems).toEqual([]);
    rmSync(join(hub.dataDir, "images", date, name));
    await page.goto(`${url}/#/day/${date}/${name}?camera=Gate`);
    await page.getByText("This image is gone").waitFor();
    expect(page.url()).toContain(name);
    await page.getByText("After it: 14:06:00").click();
    await page.getByText("6 of 59").waitFor();
  });

  test("saves and protects several images", async () => {
    const { hub, url, date } = await hubOfYesterday();
    await using _ = hub;
    await using viewer = await Viewer.open(url, `#/day/${date}?camera=Gate`);
    const { page, problems } = viewer;
    await page.getByRole("button", { name: "Select" }).click();
    await page.getByRole("checkbox", { name: "14:02:00" }).click();
    await page.getByRole("checkbox", { name: "14:05:00" }).click({ modifiers: ["Shift"] });
    await page.getByText("4 images chosen").waitFor();
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "ZIP", exact: true }).click();
    const bytes = readFileSync(await (await downloading).path());
    const names = bytes.toString("latin1").match(/Gate-[\w.-]+\.jpg/g);
    expect(new Set(names).size).toBe(4);
    await page.getByRole("button", { name: "Protect", exact: true }).click();
    await page.getByText("4 images protected: no rule deletes them.").waitFor();
    expect(readdirSync(join(hub.dataDir, "kept", date))).toHaveLength(4);
    await page.getByRole("checkbox", { name: "14:06:00" }).click();
    await page.getByText("5 images chosen").waitFor();
    expect(problems).toEqual([]);
    await page.route("**/api/v1/zip", (route) => route.fulfill({ status: 413, body: "Too long" }));
    await page.getByRole("button", { name: "ZIP", exact: true }).click();
    await page.getByText("That did not work: Too long").waitFor();
    await page.getByRole("button", { name: "Barn", exact: true }).click();
    await page.getByText("5 images chosen").waitFor();
    await page.getByRole("button", { name: "Gate", exact: true }).click();
    await page.getByText("Click images to choose them.").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("checkbox").first().waitFor({ state: "detached" });
  });

  test("goes on by itself after the hub was away, and misses nothing", async () => {
    using temp = tempDir();
    const dir = join(temp.path, "home");
    const env = { IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${freePort()}` };
    const first = await startHub({ dir, env });
    await using viewer = await Viewer.open(httpOf(first));
    const { page } = viewer;
    await page.getByText("No images yet").waitFor();
    await first[Symbol.asyncDispose]();
    await page.getByText("The hub does not answer. Trying again …").waitFor();
    await using second = await startHub({ dir, env });
    await using sender = new Sender(second.port);
    await sender.jpg("Barn|jpg|moving", { file: BARN });
    await page.locator(".tile", { hasText: "1 image today" }).waitFor();
    await page.getByText("The hub does not answer").waitFor({ state: "hidden" });
    renameSync(second.dataDir, `${second.dataDir}.away`);
    await page.locator(".banner", { hasText: "data directory" }).waitFor();
    renameSync(`${second.dataDir}.away`, second.dataDir);
    await page.locator(".banner").waitFor({ state: "hidden" });
    await sender.jpg("Barn|jpg|moving", { file: BARN });
    await page.locator(".tile", { hasText: "2 images today" }).waitFor();
  });

  test("says that too many look live, and takes up nothing in tabs that nobody sees", async () => {
    await using hub = await startHub({ env: WITH_HTTP });
    const url = httpOf(hub);
    await using sender = new Sender(hub.port);
    const look = () => fetch(`${url}/api/v1/live`);
    const streams = await Promise.all(Array.from({ length: 64 }, look));
    await using viewer = await Viewer.open(url);
    const { page } = viewer;
    await page.getByText("Too many look live.").waitFor();
    for (const stream of streams) await stream.body?.cancel();
    // Browsers open six connections to a host.
    await page.context().addInitScript(HIDDEN);
    const tabs = [];
    for (let count = 0; count < 8; count++) {
      const tab = await page.context().newPage();
      tabs.push(tab);
      await tab.goto(url);
      await tab.getByText("No images yet").waitFor();
    }
    // Neither in its first answers nor in its stream, which begins after that.
    await sender.jpg("Barn|jpg|moving", { file: BARN });
    await tabs[7]!.evaluate("isSeen = true, document.dispatchEvent(new Event('visibilitychange'))");
    await tabs[7]!.locator(".tile", { hasText: "1 image today" }).waitFor();
  });

  test("asks for the token, and goes on where the link leads", async () => {
    using temp = tempDir();
    const file = join(temp.path, "token");
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    await using hub = await startHub({ env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: file } });
    await using viewer = await Viewer.open(httpOf(hub), "#/calendar");
    const { page } = viewer;
    await page.getByLabel("Token").fill("nonsense");
    await page.getByRole("button", { name: "Show the images" }).click();
    await page.getByText("This is not the token.").waitFor();
    expect(await viewer.axe()).toEqual([]);
    await page.getByLabel("Token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByText("No images yet").waitFor();
    expect(page.url()).toEndWith("#/calendar");
  });

  test("counts down after many wrong tokens, and takes the right one at the end of it", async () => {
    using temp = tempDir();
    const file = join(temp.path, "token");
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    await using hub = await startHub({ env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: file } });
    await using viewer = await Viewer.open(httpOf(hub));
    const { page } = viewer;
    const field = page.getByLabel("Token");
    const wait = page.getByText(/^Try again in \d+ s\.$/);
    await field.fill("nonsense");
    // Each wrong one that the hub looks at makes the next wait longer.
    for (let wrong = 0; wrong < 20 && (await wait.count()) === 0; wrong++) {
      const answer = page.waitForResponse("**/login");
      await page.keyboard.press("Enter");
      await (await answer).finished();
      await page.locator("button:not([disabled])").or(wait).waitFor();
    }
    await page.getByText("Too many wrong tokens.").waitFor();
    expect(await viewer.axe()).toEqual([]);
    await field.fill(TOKEN);
    await page.getByText("You may try again now.").waitFor();
    await page.keyboard.press("Enter");
    await page.getByText("No images yet").waitFor();
  });

  test("keeps what is chosen while somebody logs in again", async () => {
    using temp = tempDir();
    const file = join(temp.path, "token");
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    await using hub = await startHub({ env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: file } });
    const date = yesterdayOf(hub);
    fillHour(hub, GATE, "Gate", date, 14);
    await using viewer = await Viewer.open(httpOf(hub), `#/day/${date}?camera=Gate`);
    const { page } = viewer;
    const logIn = async (token: string): Promise<void> => {
      await page.getByLabel("Token").fill(token);
      await page.keyboard.press("Enter");
    };
    await logIn(TOKEN);
    await page.getByRole("button", { name: "Select" }).click();
    await page.getByRole("checkbox", { name: "14:02:00" }).click();
    await page.getByRole("checkbox", { name: "14:05:00" }).click({ modifiers: ["Shift"] });
    for (const [token, button, done] of [
      [TOKEN.toUpperCase(), "ZIP", "4 images saved."],
      [`${TOKEN}0`, "Protect", "4 images protected: no rule deletes them."],
    ] as const) {
      writeFileSync(file, `${token}\n`);
      process.kill(hub.pid, "SIGHUP");
      await answered(
        async () => await page.evaluate("fetch('api/v1/days').then(({ status }) => status)"),
        (status) => status === 401,
      );
      // Unless the page has asked again by itself and shows the form already.
      await page
        .getByRole("button", { name: button, exact: true })
        .dispatchEvent("click", {}, { timeout: 1000 })
        .catch(() => undefined);
      await logIn(token);
      await page.getByText("4 images chosen").waitFor();
      await page.getByRole("button", { name: button, exact: true }).click();
      await page.getByText(done).waitFor();
    }
  });

  test("opens with http:// on a port that speaks HTTPS, too", async () => {
    using temp = tempDir();
    const tls = makeCertificate(temp.path, "hub");
    await using hub = await startHub({ env: WITH_HTTP, settings: { hub: { http: { tls } } } });
    const url = httpOf(hub);
    await using viewer = await Viewer.open(url.replace("https:", "http:"), "#/calendar", {
      isTrusting: true,
    });
    await viewer.page.getByText("No images yet").waitFor();
    expect(viewer.page.url()).toBe(`${url}/#/calendar`);
  });

  const looks: Look[] = [{}, { isPhone: true }];
  test.each(looks)(
    "has nothing that axe-core finds, in any view, light or dark: %j",
    async (look) => {
      const { hub, url, date } = await hubOfYesterday();
      await using _ = hub;
      await using viewer = await Viewer.open(url, "", look);
      const { page, problems } = viewer;
      const image = `Gate-${date}T14.05.00.000001.jpg`;
      const views: [hash: string, shows: string][] = [
        ["#/now", ".tile img"],
        [`#/day/${date}?at=14:05`, ".cell.marked .loaded"],
        [`#/day/${date}/${image}`, ".facts dd >> text=kB"],
        ["#/calendar", ".date.has"],
        ["#/events", "tbody td"],
        ["#/events?node=Barn&type=Temp&curve=month", ".uplot canvas"],
      ];
      for (const [hash, shows] of views) {
        await page.goto(`${url}/${hash}`);
        await page.locator(shows).first().waitFor();
        for (const colorScheme of ["dark", "light"] as const) {
          await page.emulateMedia({ colorScheme });
          expect([hash, colorScheme, await viewer.axe()]).toEqual([hash, colorScheme, []]);
        }
        const over = "document.documentElement.scrollWidth - innerWidth";
        expect([hash, await page.evaluate(over)]).toEqual([hash, 0]);
      }
      await page.getByRole("button", { name: "Go to" }).click();
      await page.getByLabel("14:00, 120 images").click();
      expect(await viewer.axe()).toEqual([]);
      expect(problems).toEqual([]);
    },
  );
});
