/** What people look at, end to end: the page, its API and what comes live, of a whole hub. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Program, runsNatively } from "../../scripts/lib/available.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Sender } from "../support/peers/sender.ts";
import { BARN, describeEachProgram } from "./stored.ts";

setDefaultTimeout(120_000);

const TOKEN = "0123456789abcdef0123456789abcdef";

/** A hub with one image of Barn. */
async function hubWithImage(program: Program): Promise<{ hub: Hub; url: string }> {
  const hub = await startHub({ program, env: WITH_HTTP });
  await using sender = new Sender(hub.port);
  await sender.jpg("Barn|jpg|moving", { file: BARN });
  return { hub, url: httpOf(hub) };
}

/** Reads server-sent events as they come. */
class Stream implements AsyncDisposable {
  text = "";
  private readonly abort = new AbortController();
  private reading: Promise<void> | undefined;

  async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const { body } = await fetch(url, { headers, signal: this.abort.signal });
    this.reading = this.read(body!).catch(() => undefined);
    await this.has("retry:");
  }

  async has(text: string): Promise<void> {
    await answered(
      () => Promise.resolve(this.text),
      (all) => all.includes(text),
    );
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.+)$/gm)].at(-1)![1]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort.abort();
    await this.reading;
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const bytes of body) this.text += Buffer.from(bytes).toString();
  }
}

describeEachProgram((program) => {
  test("shows a page with all its parts, below any path", async () => {
    await using shown = await startHub({ program, env: WITH_HTTP });
    const url = httpOf(shown);
    const page = await fetch(`${url}/`);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    const text = await page.text();
    const parts = Array.from(text.matchAll(/(?:src|href)="([^"]+)"/g), ([, part]) => part!);
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) {
      expect(part).toStartWith("./assets/");
      const asset = await fetch(new URL(part, `${url}/`));
      expect(asset.status).toBe(200);
      expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
    expect((await fetch(`${url}/assets/none.js`)).status).toBe(404);
    // For one who knows no compression, as often as they like.
    const headers = { "Accept-Encoding": "identity" };
    for (let times = 0; times < 2; times++)
      expect(await (await fetch(`${url}/`, { headers })).text()).toBe(text);
  });

  test("lists and sends what was stored", async () => {
    const { hub, url } = await hubWithImage(program);
    await using _ = hub;
    const { cameras } = (await (await fetch(`${url}/api/v1/cameras`)).json()) as {
      cameras: { name: string; latest: { date: string; name: string } }[];
    };
    expect(cameras).toMatchObject([{ name: "Barn", imagesToday: 1 }]);
    const { date, name } = cameras[0]!.latest;
    const image = await fetch(`${url}/api/v1/days/${date}/images/${name}`);
    expect(Buffer.from(await image.arrayBuffer()).equals(readFileSync(BARN))).toBe(true);
    const head = await fetch(`${url}/api/v1/zip?date=${date}`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/zip"]);
    const small = await fetch(`${url}/api/v1/days/${date}/thumbnails/${name}?width=160`);
    expect(await new Bun.Image(await small.arrayBuffer()).metadata()).toMatchObject({ width: 160 });
    const body = JSON.stringify({ images: [[date, name]], protect: true });
    const answer = await get(`${url}/api/v1/protect`, { method: "POST", body });
    expect(answer).toEqual([200, '{"changed":1,"problems":[]}\n']);
  });

  // An emulated processor takes long, and what follows is the same on each.
  if (!runsNatively(program)) return;

  test("tells live what is stored, and goes on where one who was away has stopped", async () => {
    const { hub, url } = await hubWithImage(program);
    await using _ = hub;
    await using sender = new Sender(hub.port);
    await using stream = new Stream();
    await stream.open(`${url}/api/v1/live`);
    await sender.jpg("Gate|jpg|moving", { file: BARN });
    await stream.has('"camera":"Gate"');
    await stream.has('event: hub\ndata: {"healthy":true');
    await sender.event("Garage|Temp|76 F");
    await stream.has('"text":"Garage|Temp|76 F"');
    expect(stream.text).not.toContain('"camera":"Barn"');
    const { lastId } = stream;
    await stream[Symbol.asyncDispose]();
    await sender.jpg("Later|jpg|moving", { file: BARN });
    await using again = new Stream();
    await again.open(`${url}/api/v1/live`, { "Last-Event-ID": lastId });
    await again.has('"camera":"Later"');
    expect(again.text).not.toContain("Garage");
    expect(again.text).not.toContain("event: lost");
    await using stranger = new Stream();
    await stranger.open(`${url}/api/v1/live?only=image`, { "Last-Event-ID": "0a0b0c0d-7" });
    await stranger.has("event: lost");
  });
});

test("a node that falls silent, and one that speaks again, are told live", async () => {
  await using hub = await startHub({ env: WITH_HTTP, settings: { hub: { patience: 0.05 } } });
  await using sender = new Sender(hub.port);
  await sender.jpg("Barn Door|jpg|moving", { file: BARN });
  await using stream = new Stream();
  await stream.open(`${httpOf(hub)}/api/v1/live?only=camera`);
  await stream.has('event: camera\ndata: {"node":"Barn Door","silent":true,"last_seen":"');
  const spoken = '{"node":"Barn Door","silent":false,"last_seen":"';
  expect(stream.text).not.toContain(spoken);
  await answered(
    async () => {
      await sender.event("Barn Door|Temp|76 F");
      return stream.text;
    },
    (text) => text.includes(spoken),
  );
});

test("a large image that nobody takes leaves no file open, however often it is asked for", async () => {
  await using hub = await startHub({ env: WITH_HTTP });
  await using sender = new Sender(hub.port);
  await sender.jpg("Barn|jpg|moving", { size: 2_000_000 });
  const url = `${httpOf(hub)}/api/v1`;
  const { cameras } = (await (await fetch(`${url}/cameras`)).json()) as {
    cameras: { latest: { date: string; name: string } }[];
  };
  const { date, name } = cameras[0]!.latest;
  const image = `${url}/days/${date}/images/${name}`;
  const openImages = (): number => filesOpenIn(hub.pid, name);
  for (const headers of [{}, { Range: "bytes=0-999999" }]) {
    const { status, headers: said } = await fetch(image, { method: "HEAD", headers });
    expect([status, said.get("content-length")]).toEqual(
      "Range" in headers ? [206, "1000000"] : [200, "2000000"],
    );
    expect(said.get("transfer-encoding")).toBeNull();
  }
  for (let times = 0; times < 40; times++) {
    await fetch(image, { method: "HEAD" });
    await fetch(`${url}/latest/Barn.jpg`, { method: "HEAD" });
    await fetch(`${url}/zip?date=${date}`, { method: "HEAD" });
    const abort = new AbortController();
    const asked = fetch(image, { signal: abort.signal });
    // Some before they are answered, some after.
    if (times % 2 === 0) await asked;
    abort.abort();
    await asked.catch(() => undefined);
  }
  await answered(
    () => Promise.resolve(openImages()),
    (count) => count === 0,
  );
  expect((await (await fetch(image)).arrayBuffer()).byteLength).toBe(2_000_000);
});

/** How many descriptors of a process are of a file of this name. */
function filesOpenIn(pid: number, name: string): number {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).filter((fd) => {
    try {
      return readlinkSync(join(directory, fd)).endsWith(`/${name}`);
    } catch {
      // It was closed meanwhile.
      return false;
    }
  }).length;
}

test("a hub with a token shows the page to all, and the images to those who log in", async () => {
  using temp = tempDir();
  const file = join(temp.path, "token");
  writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
  await using hub = await startHub({
    env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: file },
  });
  const url = httpOf(hub);
  expect((await fetch(`${url}/`)).status).toBe(200);
  expect((await fetch(`${url}/api/v1/days`)).status).toBe(401);
  const login = async (token: string): Promise<Response> =>
    await fetch(`${url}/login`, { method: "POST", body: new URLSearchParams({ token }) });
  expect((await login("nonsense")).status).toBe(401);
  const { headers, status } = await login(TOKEN);
  expect(status).toBe(200);
  const [cookie = ""] = headers.get("set-cookie")!.split(";");
  expect((await fetch(`${url}/api/v1/days`, { headers: { Cookie: cookie } })).status).toBe(200);
  const basic = `Basic ${Buffer.from(`any:${TOKEN}`).toString("base64")}`;
  expect((await fetch(`${url}/api/v1/days`, { headers: { Authorization: basic } })).status).toBe(
    200,
  );
});

test("a hub whose data directory goes while somebody looks says so, and shows it again", async () => {
  const { hub, url } = await hubWithImage("source");
  await using _ = hub;
  expect((await fetch(`${url}/api/v1/cameras`)).status).toBe(200);
  renameSync(hub.dataDir, `${hub.dataDir}.away`);
  const reason = `The data directory ${hub.dataDir} is not there any more: mount its disk again, or move it back\n`;
  const told = await answered(
    async () => await get(`${url}/api/v1/cameras`),
    ([, text]) => text === reason,
  );
  expect(told[0]).toBe(503);
  expect(await get(`${url}/healthz`)).toEqual(told);
  renameSync(`${hub.dataDir}.away`, hub.dataDir);
  expect((await fetch(`${url}/api/v1/cameras`)).status).toBe(200);
});
