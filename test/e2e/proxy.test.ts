/** The page and its API through a proxy, below a path of it, with the settings of docs/PROXY.md. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT, lacks } from "../../scripts/lib/available.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { answered, get, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { startHub } from "../support/hub/hub.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Sender } from "../support/peers/sender.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

/** The part for nginx in docs/PROXY.md. */
function nginxPart(): string {
  const text = readFileSync(join(CHECKOUT, "docs/PROXY.md"), "utf8");
  const found = /```nginx\n([^`]+)```/.exec(text)?.[1];
  if (found === undefined) throw new Error("docs/PROXY.md has no part for nginx");
  return found;
}

/** nginx before a hub, until it is disposed of. */
class Nginx implements AsyncDisposable {
  readonly port = freePort();
  private readonly temp = tempDir();
  private readonly process: Bun.Subprocess;

  constructor(hub: string) {
    const { path } = this.temp;
    const part = nginxPart().replaceAll("http://127.0.0.1:8550", hub);
    for (const name of ["body", "proxy", "other"]) mkdirSync(join(path, name));
    writeFileSync(
      join(path, "nginx.conf"),
      `daemon off; pid ${path}/pid; error_log ${path}/error.log; user root;
       events {}
       http {
         access_log off;
         client_body_temp_path ${path}/body; proxy_temp_path ${path}/proxy;
         fastcgi_temp_path ${path}/other; uwsgi_temp_path ${path}/other; scgi_temp_path ${path}/other;
         server { listen 127.0.0.1:${this.port}; ${part} }
       }`,
    );
    this.process = Bun.spawn(["nginx", "-e", `${path}/error.log`, "-c", join(path, "nginx.conf")], {
      stdout: "ignore",
      stderr: "ignore",
    });
  }

  /** The address of the page. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/cameras/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill();
    await this.process.exited;
    this.temp[Symbol.dispose]();
  }
}

test.skipIf(lacks("proxy"))(
  "whoever guesses the token through nginx slows down nobody else",
  async () => {
    using temp = tempDir();
    const file = join(temp.path, "token");
    const token = "0123456789abcdef0123456789abcdef";
    writeFileSync(file, token, { mode: 0o600 });
    await using hub = await startHub({ env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: file } });
    await using nginx = new Nginx(httpOf(hub));
    const ask = async (shown: string, from: string): Promise<number> => {
      // In 127.0.0.0/8 each is an address of this machine.
      const command = ["curl", "-s", "-o", "-", "-w", "%{http_code}", "--interface", from];
      const headers = ["-H", `Authorization: Bearer ${shown}`, "-H", "X-Forwarded-For: 192.0.2.9"];
      const { stdout } = await Bun.$`${command} ${headers} ${nginx.url}api/v1/days`
        .nothrow()
        .quiet();
      return Number(stdout.toString().slice(-3));
    };
    await answered(
      async () => await ask("wrong", "127.0.0.2"),
      (status) => status === 429,
    );
    expect(await ask(token, "127.0.0.3")).toBe(200);
  },
);

test.skipIf(lacks("proxy"))("the page and its API work below a path of nginx", async () => {
  await using hub = await startHub({ env: WITH_HTTP });
  await using sender = new Sender(hub.port);
  await sender.jpg("Barn|jpg|moving", { file: BARN });
  await using nginx = new Nginx(httpOf(hub));
  const { url } = nginx;
  const up = async (): Promise<number> => {
    try {
      return (await fetch(url)).status;
    } catch {
      return 0;
    }
  };
  expect(await answered(up, (status) => status === 200)).toBe(200);
  const page = await (await fetch(url)).text();
  for (const [, part] of page.matchAll(/(?:src|href)="([^"]+)"/g))
    expect((await fetch(new URL(part!, url))).status).toBe(200);
  const { cameras } = (await (await fetch(`${url}api/v1/cameras`)).json()) as {
    cameras: { latest: { date: string; name: string } }[];
  };
  const { date, name } = cameras[0]!.latest;
  const image = await fetch(`${url}api/v1/days/${date}/images/${name}`);
  expect(Buffer.from(await image.arrayBuffer()).equals(readFileSync(BARN))).toBe(true);

  // A browser names the proxy in Origin.
  const protect = async (origin: string): Promise<number> => {
    const body = JSON.stringify({ images: [[date, name]], protect: true });
    const headers = { Origin: origin, "Content-Type": "application/json" };
    return (await get(`${url}api/v1/protect`, { method: "POST", body, headers }))[0];
  };
  expect(await protect(new URL(url).origin)).toBe(200);
  expect(await protect("http://evil.example")).toBe(403);

  // What is live comes at once, and is not held back.
  const abort = new AbortController();
  const { body } = await fetch(`${url}api/v1/live`, { signal: abort.signal });
  let heard = "";
  const reading = (async () => {
    for await (const bytes of body!) heard += Buffer.from(bytes).toString();
  })().catch(() => undefined);
  await answered(
    () => Promise.resolve(heard),
    (text) => text.includes("event: start"),
  );
  await sender.event("Garage|Temp|76 F");
  await answered(
    () => Promise.resolve(heard),
    (text) => text.includes("Garage|Temp|76 F"),
  );
  abort.abort();
  await reading;
});
