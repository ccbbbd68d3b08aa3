/** `imagehub tail`, beside a whole hub. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { CHECKOUT, lacks } from "../../scripts/lib/available.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { EXIT } from "../../src/errors.ts";
import { runCli } from "../support/hub/cli.ts";
import { startHub } from "../support/hub/hub.ts";
import { answered, httpOf, WITH_HTTP } from "../support/hub/http.ts";
import { tempDir } from "../support/machine/temp.ts";
import { Sender } from "../support/peers/sender.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

/** `imagehub tail` as it runs. */
class Tail implements AsyncDisposable {
  stdout = "";
  stderr = "";
  private readonly process;
  private readonly reading: Promise<unknown>;

  constructor(...args: readonly string[]) {
    this.process = Bun.spawn([process.execPath, join(CHECKOUT, "src/main.ts"), "tail", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.process;
    this.reading = Promise.all([
      this.read(stdout, (text) => (this.stdout += text)),
      this.read(stderr, (text) => (this.stderr += text)),
    ]);
  }

  async says(text: string): Promise<void> {
    await answered(
      () => Promise.resolve(this.stdout + this.stderr),
      (all) => all.includes(text),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
    await this.reading;
  }

  private async read(stream: ReadableStream<Uint8Array>, add: (text: string) => void) {
    for await (const bytes of stream) add(Buffer.from(bytes).toString());
  }
}

/** Sends events until the tail shows one: it begins with what comes after it has connected. */
async function begun(tail: Tail, sender: Sender): Promise<void> {
  while (!tail.stdout.includes("first")) {
    await sender.event("Barn|first|1");
    await Bun.sleep(100);
  }
}

test.skipIf(lacks("python"))("tail shows what arrives, also after the hub was away", async () => {
  using temp = tempDir();
  const dir = join(temp.path, "home");
  const env = { IMAGEHUB_HTTP_LISTEN: `127.0.0.1:${freePort()}` };
  const first = await startHub({ dir, env });
  const url = httpOf(first);
  await using all = new Tail("--url", url);
  await using gate = new Tail("--url", url, "--camera", "Gate*");
  await using events = new Tail("--url", url, "--events", "--json");
  {
    await using sender = new Sender(first.port);
    for (const tail of [all, events]) await begun(tail, sender);
    await sender.event("Gate|motion|moving \u001b[31m");
    await sender.jpg("Gate Left|jpg|moving", { file: BARN });
    await gate.says("Gate-Left");
    await all.says("Gate-Left");
  }
  expect(all.stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}Gate {2}motion {2}moving {2}\[31m$/mu);
  expect(all.stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}Gate-Left {2}Gate-Left-\S+\.jpg$/mu);
  expect(gate.stdout).not.toContain("Barn");
  expect(events.stdout).not.toContain("Left");
  const last = events.stdout.trim().split("\n").at(-1)!;
  expect(JSON.parse(last)).toMatchObject({ event: "event", node: "Gate", type: "motion" });
  await first[Symbol.asyncDispose]();
  await all.says("The hub does not answer. Trying again …");
  await using second = await startHub({ dir, env });
  await all.says("The hub answers again");
  await using sender = new Sender(second.port);
  await sender.event("Barn|later|2");
  await all.says("later");
});

test("tail says if no hub answers", async () => {
  using temp = tempDir();
  const url = `http://127.0.0.1:${freePort()}`;
  const { status, stderr } = await runCli(["tail", "--url", url], { home: temp.path });
  expect([status, stderr.includes(`No hub answers at ${url}`)]).toEqual([EXIT.unanswered, true]);
});

test.skipIf(lacks("python"))("tail ends when nobody reads it any more", async () => {
  await using hub = await startHub({ env: WITH_HTTP });
  await using sender = new Sender(hub.port);
  const tail = `${process.execPath} ${join(CHECKOUT, "src/main.ts")} tail --url ${httpOf(hub)}`;
  const child = Bun.spawn(["/bin/sh", "-c", `${tail} | head -n 1`], { stdout: "pipe" });
  while (child.exitCode === null) {
    await sender.event("Barn|Temp|1");
    await Bun.sleep(100);
  }
  expect(await child.stdout.text()).toContain("Temp");
});
