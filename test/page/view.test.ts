/** The page of a view, on which the hubs of different zones tell what is earlier than the rest. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { lacks } from "../../scripts/lib/available.ts";
import { answered } from "../support/hub/http.ts";
import { View } from "../support/hub/view.ts";
import { MemoryStore } from "../support/peers/memory-store.ts";
import { closeBrowser, Viewer } from "./browser.ts";

setDefaultTimeout(120_000);

const DAY = "2021-09-23";

function nameAt(second: number): string {
  const time = new Date(second * 1000).toISOString().slice(11, 19).replaceAll(":", ".");
  return `Barn-${DAY}T${time}.000000.jpg`;
}

/** A hub that tells what it is told to tell. */
class TellingHub implements Disposable {
  private readonly streams = new Set<ReadableStreamDefaultController<string>>();
  private readonly server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 60,
    fetch: () =>
      new Response(
        new ReadableStream<string>({
          start: (stream) => {
            this.streams.add(stream);
            stream.enqueue("id: a-1\nevent: start\ndata: {}\n\n");
          },
        }),
      ),
  });

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  tell(event: string, data: unknown): void {
    for (const stream of this.streams)
      stream.enqueue(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }
}

describe.skipIf(lacks("browser"))("in a browser", () => {
  afterAll(async () => closeBrowser());

  test("what one hub tells takes its place among what is later at the others", async () => {
    using store = new MemoryStore();
    store.hub("north", "Europe/Berlin");
    store.hub("south", "America/New_York");
    const seconds = Array.from({ length: 1200 }, (_, index) => index * 30);
    store.images(
      "north",
      DAY,
      seconds.map((second) => nameAt(second)),
    );
    store.images("south", DAY, [nameAt(5)]);
    store.objects.set(
      `north/logs/${DAY}/000000000000`,
      `${DAY} 09:00:00,000 ~ Gate|door|open\n${DAY} 09:30:00,000 ~ Gate|door|shut\n`,
    );
    using south = new TellingHub();
    const settings = { view: { hubs: [{ name: "south", url: south.url }] } };
    await using view = await View.start(store.target, { settings });
    await using viewer = await Viewer.open(view.url, `#/day/${DAY}?at=05:30`);
    const { page } = viewer;
    await page.getByText("1,201 images").first().waitFor();
    await page
      .getByRole("region", { name: "Hubs" })
      .getByText(/south .*, live/)
      .waitFor();
    const cell = (name: string) => page.locator(`.grid a[href*="${encodeURIComponent(name)}"]`);
    await cell(`north:${nameAt(5.5 * 3600)}`).waitFor();
    south.tell("event", { date: DAY, time: "05:30:20,000", text: "Mouse|seen|there" });
    await page.getByText("seen there").first().waitFor({ timeout: 5000 });
    south.tell("image", { date: DAY, name: nameAt(5.5 * 3600 + 10) });
    await cell(`south:${nameAt(5.5 * 3600 + 10)}`).waitFor({ timeout: 5000 });
    await page.goto(`${view.url}/#/events`);
    await page.locator("tbody tr").nth(2).waitFor();
    south.tell("event", { date: "2021-09-22", time: "23:00:00,000", text: "Mouse|seen|late" });
    await page.getByText("late").waitFor({ timeout: 5000 });
    const rows = await page.locator("tbody tr").allInnerTexts();
    expect(rows.map((row) => row.split(/\s+/).at(-1))).toEqual([
      "2021",
      "shut",
      "open",
      "2021",
      "late",
    ]);
  });

  test("today is that of each hub", async () => {
    using store = new MemoryStore();
    store.hub("east", "Etc/GMT-12");
    store.hub("west", "Etc/GMT+12");
    const [ahead, behind] = [12, -12].map((hours) =>
      new Date(Date.now() + hours * 3_600_000).toISOString().slice(0, 10),
    ) as [string, string];
    for (const [hub, date] of [
      ["east", ahead],
      ["west", behind],
    ] as const) {
      store.images(hub, date, [`Gate-${date}T00.00.00.000000.jpg`]);
      const line = `${date} 00:00:00,000 ~ Gate|door|${hub}\n`;
      store.objects.set(`${hub}/logs/${date}/000000000000`, line);
    }
    await using view = await View.start(store.target);
    await using viewer = await Viewer.open(view.url);
    const { page } = viewer;
    for (const hub of ["east", "west"]) {
      const tile = page.locator(".tile", { hasText: `${hub}:Gate` });
      await tile.getByText("1 image today").waitFor();
      await tile.getByText(`door ${hub}`).waitFor();
    }
    await page.locator(".tile", { hasText: "west:Gate" }).locator("h2 a").click();
    await page.getByRole("heading", { name: "west:Gate Today" }).waitFor();
  });

  test("the names of cameras leave room for their bars, on a phone", async () => {
    using store = new MemoryStore();
    store.hub("a-hub-with-a-long-name");
    const names = Array.from({ length: 720 }, (_, index) => nameAt(index * 60));
    const long = names.map((name) => `A-camera-with-a-name-that-is-long-as-well-${name}`);
    store.images("a-hub-with-a-long-name", DAY, long);
    await using view = await View.start(store.target);
    await using viewer = await Viewer.open(view.url, `#/day/${DAY}`, { isPhone: true });
    const { page } = viewer;
    await page.getByText("720 images").first().waitFor();
    // How much bars differ from the paper, in 80 pixels and over all colours.
    const contrast = async (): Promise<number> =>
      await page.evaluate<number>(`(() => {
        const canvas = document.querySelector("canvas");
        const [bar, paper] = [0.45, 0.9].map((part) => {
          const x = Math.round(canvas.width * part);
          return canvas.getContext("2d").getImageData(x, 4, 8, 10).data;
        });
        return bar.reduce((sum, value, index) => sum + Math.abs(value - paper[index]), 0);
      })()`);
    await answered(contrast, (sum) => sum / 80 > 300);
  });
});
