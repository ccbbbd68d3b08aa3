import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/free-port.ts";
import { Control } from "../../src/http/control.ts";
import { runCli } from "../support/hub/cli.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { answered, get, httpOf } from "../support/hub/http.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

const TOKEN = "0123456789abcdef0123456789abcdef";
const bearer = (token: string): RequestInit => ({ headers: { Authorization: `Bearer ${token}` } });

function tokenFile(name: string, token = TOKEN, mode = 0o600): string {
  const path = join(temp.path, name);
  writeFileSync(path, `${token}\n`);
  chmodSync(path, mode);
  return path;
}

/** A hub with these settings under `http:`. */
async function hubWith(listen: string, token = ""): Promise<Hub> {
  return await startHub({ env: { IMAGEHUB_HTTP_LISTEN: listen, IMAGEHUB_HTTP_TOKEN_FILE: token } });
}

async function expectServed(hub: Hub): Promise<void> {
  const sent = await runCli(["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`], {
    home: temp.path,
  });
  expect(sent.status).toBe(0);
}

test("a hub whose HTTP port is in use says by whom, and receives all the same", async () => {
  await using other = await listenTcp(() => undefined);
  await using hub = await hubWith(`127.0.0.1:${other.port}`);
  const [line, ...more] = linesWith(hub, "health and metrics are not available");
  expect(line).toEndWith(
    ` error Images are received, but health and metrics are not available: Cannot listen on http://127.0.0.1:${other.port}: ` +
      `port ${other.port} is in use by process ${process.pid} (${line?.split("(").at(-1)?.split(")")[0]}); ` +
      "set http.listen to another port, or to off",
  );
  expect(more).toEqual([]);
  await expectServed(hub);
  expect(await hub.stop()).toBe(0);
});

test("a second time without HTTP is told, though its reason be the same", () => {
  const told: string[] = [];
  const tell = (line: string): void => void told.push(line);
  const port = freePort();
  const http = { listen: `127.0.0.1:${port}`, token_file: "", tls: { certificate: "", key: "" } };
  const parts = [{ settings: { http } }, {}, { info: tell, error: tell }] as unknown;
  const control = new Control(...(parts as ConstructorParameters<typeof Control>));
  for (let times = 0; times < 2; times++) {
    const other = Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    control.start();
    control.close();
    other.stop(true);
    control.start();
    control.close();
  }
  expect(told.map((line) => line.slice(0, 19))).toEqual([
    "Images are received",
    "Images, health and ",
    "Images are received",
    "Images, health and ",
  ]);
});

test("a hub whose HTTP address is none of this machine says so, and receives all the same", async () => {
  await using hub = await hubWith("192.0.2.1:8550", tokenFile("elsewhere"));
  expect(linesWith(hub, "health and metrics are not available")[0]).toEndWith(
    "Cannot listen on http://192.0.2.1:8550: this machine has no such address; correct http.listen",
  );
  await expectServed(hub);
});

test("a hub whose HTTP listener is off says nothing of it", async () => {
  await using hub = await hubWith("off");
  expect(hub.output()).not.toContain("Health and metrics");
  expect(hub.output()).not.toContain("health and metrics are not available");
});

test.each([
  ["that is not there", join(temp.path, "none"), "ENOENT: no such file or directory"],
  [
    "that is too short",
    tokenFile("short", "short"),
    "holds no token: its first line must have 16 to 1024",
  ],
])(
  "a hub with a token file %s does not listen, and receives all the same",
  async (_, path, reason) => {
    await using hub = await hubWith("127.0.0.1:0", path);
    expect(linesWith(hub, "health and metrics are not available")[0]).toContain(reason);
    expect(hub.output()).not.toContain("Images, health and metrics at");
    await expectServed(hub);
  },
);

test("a hub with a token on all addresses shows nothing without it, and takes a new one on SIGHUP", async () => {
  const path = tokenFile("token");
  await using hub = await hubWith("0.0.0.0:0", path);
  const url = httpOf(hub);
  for (const route of ["/healthz", "/metrics", "/api/status"]) {
    expect((await get(url + route))[0]).toBe(401);
    expect((await get(url + route, bearer(`${TOKEN}0`)))[0]).toBe(401);
    const [status, text] = await get(url + route, bearer(TOKEN));
    expect(status).toBe(200);
    expect(text).not.toContain(TOKEN);
  }
  const next = TOKEN.toUpperCase();
  tokenFile("token", next);
  process.kill(hub.pid, "SIGHUP");
  await answered(
    async () => await get(`${url}/healthz`, bearer(next)),
    ([status]) => status === 200,
  );
  expect((await get(`${url}/healthz`, bearer(TOKEN)))[0]).toBe(401);
  tokenFile("token", "short");
  process.kill(hub.pid, "SIGHUP");
  await until(hub, () => linesWith(hub, "Cannot read hub.http.token_file again").length > 0);
  expect((await get(`${url}/healthz`, bearer(next)))[0]).toBe(200);
  expect(hub.output()).not.toContain(TOKEN);
});

test("a hub on all addresses of IPv6 is reached over IPv4, too", async () => {
  await using hub = await hubWith("[::]:0", tokenFile("both"));
  const { port } = new URL(httpOf(hub));
  for (const host of ["[::1]", "127.0.0.1"])
    expect((await get(`http://${host}:${port}/healthz`, bearer(TOKEN)))[0]).toBe(200);
});

test("a hub without a token is not asked by a name of somebody else's choice", async () => {
  await using hub = await hubWith("127.0.0.1:0");
  const url = httpOf(hub);
  for (const route of ["/healthz", "/metrics", "/api/status"]) {
    const [status, text] = await get(url + route, { headers: { Host: "rebound.example" } });
    expect([status, text.split(": ")[0]]).toEqual([
      421,
      "Without a token, the hub answers only if the Host header is localhost, 127.0.0.1 or [::1]",
    ]);
    expect((await get(url.replace("127.0.0.1", "localhost") + route))[0]).toBe(200);
  }
});

test("a hub warns of a token that every user of the machine may read", async () => {
  const path = tokenFile("exposed", TOKEN, 0o644);
  await using hub = await hubWith("[::1]:0", path);
  expect(linesWith(hub, "can read the token")[0]).toEndWith(
    ` warn  Every user of this machine can read the token in ${path}. To prevent this: chmod o= ${path}`,
  );
  expect((await get(`${httpOf(hub)}/healthz`, bearer(TOKEN)))[0]).toBe(200);
});
