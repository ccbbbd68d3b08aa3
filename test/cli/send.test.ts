import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { FakeHub } from "../support/peers/fake-hub.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

const FIXTURES = join(import.meta.dir, "../fixtures");
const BARN = join(FIXTURES, "Barn-2021-04-19T23.43.20.867255.jpg");
const GRAPES = join(FIXTURES, "Grapes-2021-09-15T07.16.03.793690.jpg");

const home = tempDir();
afterAll(() => home[Symbol.dispose]());

async function send(...args: string[]): Promise<CliResult> {
  return await runCli(["send", ...args], { home: home.path });
}

/** The lines of an output without the times of the answers, which vary. */
function linesOf({ stdout }: CliResult): string[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/, answered in \d+\.\d ms$/, ", answered"));
}

describe("imagehub send to a hub", () => {
  let hub: Hub;
  let to: string;
  beforeAll(async () => {
    hub = await startHub();
    to = `tcp://127.0.0.1:${hub.port}`;
  });
  afterAll(async () => await hub[Symbol.asyncDispose]());

  const stored = (node: string) => hub.images().filter(({ name }) => name.startsWith(`${node}-`));

  test("stores files as they are, each under the name of node and view", async () => {
    const result = await send(BARN, GRAPES, "--node", "Front Barn", "--view", "Door", "--to", to);
    expect(result).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(linesOf(result)).toEqual([
      `Connected to ${to}`,
      `${basename(BARN)}: OK, answered`,
      `${basename(GRAPES)}: OK, answered`,
    ]);
    const images = stored("Front-Barn-Door");
    expect(images).toHaveLength(2);
    for (const file of [BARN, GRAPES]) {
      expect(images.some(({ bytes }) => bytes.equals(readFileSync(file)))).toBe(true);
    }
  });

  test("stores the picture of a file that it sends raw", async () => {
    const png = join(home.path, "barn.png");
    writeFileSync(png, await new Bun.Image(readFileSync(BARN)).png().bytes());
    const result = await send(BARN, png, "--raw", "--node", "Raw", "--to", to);
    expect(result).toMatchObject({ status: EXIT.ok, stderr: "" });
    const { width, height } = await new Bun.Image(readFileSync(BARN)).metadata();
    const images = stored("Raw");
    expect(images).toHaveLength(2);
    for (const { bytes } of images) {
      expect(await new Bun.Image(bytes).metadata()).toMatchObject({
        format: "jpeg",
        width,
        height,
      });
    }
  });

  test("logs an event", async () => {
    const result = await send("--event", "Garage|Temp|76 °F", "--to", to);
    expect(result).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(linesOf(result)).toEqual([`Connected to ${to}`, "Garage|Temp|76 °F: OK, answered"]);
    expect(hub.log().at(-1)).toEndWith(" ~ Garage|Temp|76 °F");
  });

  test.each([
    "HOST:PORT",
    "tcp://HOST:PORT",
    "TCP://HOST:PORT",
    "tcp://localhost:PORT",
    "localhost:PORT",
  ])("finds it as %s", async (form) => {
    const written = form.replace("HOST", "127.0.0.1").replace("PORT", String(hub.port));
    const result = await send("--event", `Form|${form}|`, "--to", written);
    expect(result).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(hub.log().at(-1)).toEndWith(` ~ Form|${form}|`);
  });

  test("ends with the status for a refusal when the hub answers ERROR", async () => {
    const text = `Garage|note|${"x".repeat(5000)}`;
    const result = await send("--event", text, "--to", to);
    expect(result.status).toBe(EXIT.refused);
    expect(linesOf(result).at(-1)).toBe(
      `${text}: ERROR the text is longer than 4096 bytes, answered`,
    );
    expect(result.stderr).toBe("The hub refused 1 of 1; see its log for the reason\n");
  });
});

describe("imagehub send", () => {
  test("goes on with the other files when one is refused, and tells how many were", async () => {
    await using hub = new FakeHub(["ERROR no space left"]);
    const result = await send(BARN, GRAPES, "--node", "Barn", "--to", `127.0.0.1:${hub.port}`);
    expect(result.status).toBe(EXIT.refused);
    expect(linesOf(result).slice(1)).toEqual([
      `${basename(BARN)}: ERROR no space left, answered`,
      `${basename(GRAPES)}: ERROR no space left, answered`,
    ]);
    expect(result.stderr).toBe("The hub refused 2 of 2; see its log for the reason\n");
    expect(hub.payloads.map((bytes) => bytes.equals(readFileSync(BARN)))).toEqual([true, false]);
  });

  test("keeps a reply on its line, whatever it is", async () => {
    await using hub = new FakeHub(["\u001B[2J\nOK\r", "more", "frames"]);
    const result = await send("--event", "a|b", "--to", `127.0.0.1:${hub.port}`);
    expect(result.status).toBe(EXIT.refused);
    expect(linesOf(result).slice(1)).toEqual(["a|b:  [2J OK , answered"]);
  });

  test("tells that nobody listens", async () => {
    const port = freePort();
    const result = await send("--event", "a|b", "--to", `127.0.0.1:${port}`);
    expect(result).toEqual({
      status: EXIT.unanswered,
      stdout: "",
      stderr:
        `Cannot connect to tcp://127.0.0.1:${port}: nothing listens on port ${port} there; ` +
        "is the hub running? (systemctl status imagehub)\n",
    });
  });

  test("tells that there is no such machine", async () => {
    const result = await send(
      "--event",
      "a|b",
      "--to",
      "no-such-machine.invalid",
      "--timeout",
      "5",
    );
    expect(result.status).toBe(EXIT.unanswered);
    expect(result.stderr).toMatch(/^Cannot connect to tcp:\/\/no-such-machine\.invalid:5555.*\n$/);
  });

  test.each<[what: string, greeting: string | Uint8Array | undefined]>([
    ["says nothing", undefined],
    ["hangs up", ""],
    ["is a web server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["sends a broken greeting", new Uint8Array(200).fill(0xff)],
  ])("tells that who listens is no hub when it %s", async (_, greeting) => {
    await using server = await listenTcp((socket) => {
      if (greeting !== undefined) socket.end(greeting);
    });
    const to = `tcp://127.0.0.1:${server.port}`;
    const result = await send("--event", "a|b", "--to", to, "--timeout", "1");
    expect(result).toEqual({
      status: EXIT.unanswered,
      stdout: "",
      stderr:
        `${to} accepts connections but does not speak ZeroMQ, or refuses this sender: ` +
        "is it the hub that listens there? (sudo ss -tlnp on that machine)\n",
    });
  });

  test("tells that the hub does not answer", async () => {
    await using hub = new FakeHub(undefined);
    const to = `tcp://127.0.0.1:${hub.port}`;
    const result = await send(BARN, "--node", "Barn", "--to", to, "--timeout", "0.5");
    expect(result).toEqual({
      status: EXIT.unanswered,
      stdout: `Connected to ${to}\n`,
      stderr: `${to} took the request but did not answer within 0.5 s: its disk may stall; see the log of the hub there\n`,
    });
    expect(hub.payloads).toHaveLength(1);
  });
});

describe("imagehub send ends with the status for a wrong command line when", () => {
  const port = freePort();
  beforeAll(() => {
    writeFileSync(join(home.path, "notes.txt"), "no picture");
    writeFileSync(join(home.path, "empty.jpg"), "");
    mkdirSync(join(home.path, "folder"));
  });
  test.each<[what: string, args: string[], error: string]>([
    ["there is nothing to send", [], "Nothing to send: name a file, or give --event\n"],
    [
      "there are files and an event",
      ["a.jpg", "--event", "a|b"],
      "Give files or --event, not both\n",
    ],
    [
      "an event is a test image",
      ["--event", "ROI"],
      '--event is "ROI", must contain a |, such as "Garage|Temp|76 F"; a text without | is a test image\n',
    ],
    [
      "no node is named",
      [BARN],
      "--node is missing: give the name of the node that the images come from\n",
    ],
    [
      "the node has a separator in it",
      [BARN, "--node", "a|b"],
      'The name "a|b" contains a |, which separates the fields of the text: choose a name without it\n',
    ],
    [
      "a file is missing",
      ["none.jpg", "--node", "a"],
      "Cannot read none.jpg: no such file or directory\n",
    ],
    ["a file is a folder", ["folder", "--node", "a"], "Cannot read folder: it is a directory\n"],
    [
      "a file is no JPEG",
      ["notes.txt", "--node", "a"],
      "notes.txt is not a JPEG; add --raw to send any picture",
    ],
    [
      "a file is empty",
      ["empty.jpg", "--node", "a"],
      "empty.jpg is not a JPEG; add --raw to send any picture",
    ],
    [
      "a file is no picture",
      ["notes.txt", "--node", "a", "--raw"],
      "Cannot read notes.txt as a picture",
    ],
    [
      "the timeout is no number",
      ["--event", "a|b", "--timeout", "soon"],
      '--timeout is "soon", must be seconds',
    ],
    [
      "the timeout is zero",
      ["--event", "a|b", "--timeout", "0"],
      '--timeout is "0", must be seconds',
    ],
    [
      "the timeout is too long",
      ["--event", "a|b", "--timeout", "1e9"],
      '--timeout is "1e9", must be seconds',
    ],
  ])("%s", async (_, args, error) => {
    const result = await send(...args, "--to", `127.0.0.1:${port}`);
    expect(result).toMatchObject({ status: EXIT.usage, stdout: "" });
    expect(result.stderr).toStartWith(error);
    expect(result.stderr.trimEnd()).not.toContain("\n");
  });

  test.each([
    "",
    ":5555",
    "data1:",
    "data1:0",
    "data1:65536",
    "data1:port",
    "tcp://*:5555",
    "tcp://data1:5555/x",
    "ipc:///tmp/x",
    "http://data1:5555",
    "eth0;data1:5555",
    "data 1:5555",
    "-:5555",
    ".:5555",
    "_:5555",
    "Küche:5555",
    "[::zz]:5555",
    "::1:5555",
  ])("the hub is %j", async (to) => {
    const result = await send("--event", "a|b", "--to", to);
    expect(result).toEqual({
      status: EXIT.usage,
      stdout: "",
      stderr: `--to is "${to}", must be tcp://HOST:PORT, such as tcp://data1:5555\n`,
    });
  });
});
