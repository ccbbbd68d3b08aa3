import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { formatStatus } from "../../src/cli/status.ts";
import { lacks, PARTS, PROGRAMS } from "../../scripts/lib/available.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { lacksMount, SmallDisk } from "../support/machine/file-system.ts";
import { startHub } from "../support/hub/hub.ts";
import { answered, httpOf, statusOf, WITH_HTTP } from "../support/hub/http.ts";
import { Sender } from "../support/peers/sender.ts";
import { statusAt } from "../support/hub/status.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

const home = tempDir();
afterAll(() => home[Symbol.dispose]());

const TOKEN = "0123456789abcdef";
const tokenPath = join(home.path, "token");
writeFileSync(tokenPath, TOKEN, { mode: 0o600 });

async function status(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<CliResult> {
  return await runCli(["status", ...args], { home: home.path, env });
}

const AT_DATA1 = { url: "http://data1:8550", page: ["http://data1:8550"] };

test("formatStatus shows a person what there is, and marks nodes that are silent", () => {
  const zone = process.env["TZ"];
  try {
    process.env["TZ"] = "UTC";
    expect(formatStatus(statusAt("2026-11-22T15:00:30.000Z"), AT_DATA1)).toBe(
      `imagehub 1.2.3 (abc) at http://data1:8550: NOT HEALTHY
  The disk is full
  The disk will be full in 6 days at this week's rate; see keep.min_free
page         http://data1:8550
running      3 days 4 h, since 2026-11-19 11:00:30
stored       images 12,345 (1.2 GB), events 7
today        812 of 5,000 images (2026-11-22)
not kept     over the cap 0, failed 2, refused 1, unlabelled 0
waiting      1 of 500 requests
connections  4 now, 3 denied since the start
disk         999 bytes free of 64.0 GB, for /srv/imagehub
kept         30 days since 2026-10-24, 123,456 images (5.4 GB), 12 protected, 180.0 MB a day
deleted      3,211 (512.0 MB) by min_free
archive      /mnt/nas, up to date 1 h ago (14:00:30)
replicated   to s3.example.com/farm/barn, NOT CONNECTED, 4,321 images (432.1 MB) copied, 77 images (7.7 MB) waiting, the oldest for 2 h, 1 DIFFER, last error 30 s ago (15:00:00): https://s3.example.com cannot be reached
mqtt         mqtt://192.168.86.10, NOT CONNECTED, 1,234 sent, 6 waiting, 5 dropped, last error 1 min ago (14:59:30): The broker refuses the connection
publish      tcp://*:5556, since 14:00:30, 1 subscriber, 12 sent

NODE                   VIEW  ADDRESS        LAST SEEN                         IMAGES TODAY  EVENTS TODAY  LAST HEARTBEAT
Barn                   -     192.168.86.41  12 s ago (15:00:18)               0             2             12 s ago (15:00:18)
Barn                   Tür   192.168.86.41  2 days ago (2026-11-20 15:00:30)  812           0             12 s ago (15:00:18)
Evil \\u001b[31m\\u202e  x     ::1            10 min ago (14:50:30)             0             0             -
(no name)              -     192.168.86.41  10 min ago (14:50:29)             0             0             -                    SILENT
Gate                   -     192.168.86.41  30 min ago (14:30:29)             0             0             -                    SILENT
1 silent for longer than silent_after (the setting cameras)
1 silent for longer than 10 minutes (the setting patience)
`,
    );
  } finally {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  }
});

test("formatStatus says why messages without a label are not kept, where there are any", () => {
  const hub = statusAt("2026-11-22T15:00:30.000Z");
  const withUnlabelled = { ...hub, nodes: [], totals: { ...hub.totals, unlabelled: 1020 } };
  const text = formatStatus(withUnlabelled, AT_DATA1);
  expect(text).toContain("refused 1, unlabelled 1,020\n");
  expect(text).toEndWith(
    "\nNo node has sent anything that is stored\n" +
      "Unlabelled messages have no | in their text and are not stored. To store them, see the setting unlabelled. The log names their senders\n",
  );
  expect(formatStatus(hub, AT_DATA1)).not.toContain("Unlabelled");
});

test("formatStatus marks the day's cap when it is reached, and not before", () => {
  const hub = statusAt("2026-11-22T15:00:30.000Z");
  const [below, at] = [4999, 5000].map((images) =>
    formatStatus({ ...hub, today: { ...hub.today, images } }, AT_DATA1),
  );
  expect(below).not.toContain("CAP REACHED");
  expect(at).toContain(
    "5,000 of 5,000 images (2026-11-22): CAP REACHED, more images are answered OK but not stored\n",
  );
});

test.each([
  [999, "999 bytes"],
  [1000, "1.0 kB"],
  [999_949, "999.9 kB"],
  [999_950, "1.0 MB"],
  [2 ** 53 - 1, "9007.2 TB"],
])("formatStatus shows %d bytes as %s", (bytes, shown) => {
  const hub = statusAt("2026-11-22T15:00:30.000Z");
  const text = formatStatus({ ...hub, disk: { ...hub.disk, free_bytes: bytes } }, AT_DATA1);
  expect(text).toContain(` ${shown} free of `);
});

describe.each(PROGRAMS.filter((program) => program !== "arm64"))(
  "imagehub status of a hub (%s)",
  (program) => {
    test.skipIf(lacks("python", ...PARTS[program]))(
      "shows its nodes, and ends with 0",
      async () => {
        await using hub = await startHub({ program, env: WITH_HTTP });
        await using sender = new Sender(hub.port);
        await sender.jpg("Barn Door|jpg|moving", { size: 20_000 });
        await answered(
          async () => await statusOf(hub),
          ({ nodes }) => nodes[0]?.images_today === 1,
        );
        const shown = await status(["--url", httpOf(hub)]);
        expect(shown).toMatchObject({ status: EXIT.ok, stderr: "" });
        expect(shown.stdout).toStartWith("imagehub ");
        expect(shown.stdout.split("\n")[0]).toEndWith(` at ${httpOf(hub)}: healthy`);
        expect(shown.stdout).toMatch(
          /^Barn Door +- +127\.0\.0\.1 +\d+ s ago \(\d\d:\d\d:\d\d\) +1 +0 +-$/m,
        );
        const json = await status(["--json", "--url", httpOf(hub).replace("http://", "")]);
        expect(json.status).toBe(EXIT.ok);
        expect(JSON.parse(json.stdout)).toMatchObject({
          healthy: true,
          nodes: [{ node: "Barn Door", images_today: 1 }],
        });
      },
    );
  },
);

test.skipIf(lacksMount())(
  "imagehub status ends with 1 when the hub is not healthy, and says why",
  async () => {
    using disk = new SmallDisk("size=64m");
    await using hub = await startHub({
      env: { ...WITH_HTTP, IMAGEHUB_DATA_DIRECTORY: join(disk.path, "data") },
    });
    disk.fill();
    const shown = await answered(
      async () => await status(["--url", httpOf(hub)]),
      (result) => result.status !== EXIT.ok,
    );
    expect(shown.status).toBe(EXIT.failure);
    expect(shown.stdout).toMatch(/: NOT HEALTHY\n {2}The disk is full: 0 bytes are free for /);
  },
);

describe("imagehub status finds the hub by the settings", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
    ["[::1]", "[::1]"],
    ["[::]", "[::1]"],
  ])("that listens on %s, and shows it the token", async (host, asked) => {
    const env = {
      IMAGEHUB_HTTP_LISTEN: `${host}:${freePort()}`,
      IMAGEHUB_HTTP_TOKEN_FILE: tokenPath,
    };
    await using hub = await startHub({ env });
    expect(httpOf(hub)).toStartWith(`http://${asked}:`);
    const shown = await status([], env);
    expect(shown).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(shown.stdout).toContain(` at http://${asked}:`);
  });

  test("in the file that --path or --config names", async () => {
    const listen = `127.0.0.1:${freePort()}`;
    await using hub = await startHub({
      env: { IMAGEHUB_HTTP_LISTEN: "" },
      settings: { hub: { http: { listen } } },
    });
    expect((await status(["--path", hub.dir])).status).toBe(EXIT.ok);
    expect((await status(["--config", join(hub.dir, "imagehub.yaml")])).status).toBe(EXIT.ok);
  });

  test("but does not show the token of the settings to another address", async () => {
    await using hub = await startHub({
      env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: tokenPath },
    });
    const refused = await status(["--url", httpOf(hub)], { IMAGEHUB_HTTP_TOKEN_FILE: tokenPath });
    expect(refused).toEqual({
      status: EXIT.refused,
      stdout: "",
      stderr: `The hub at ${httpOf(hub)} needs a token; see http.token_file there, or give --token-file\n`,
    });
    expect((await status(["--url", httpOf(hub), "--token-file", tokenPath])).status).toBe(EXIT.ok);
  });

  test("and says so if its token is wrong, and if there were too many wrong ones", async () => {
    await using hub = await startHub({
      env: { ...WITH_HTTP, IMAGEHUB_HTTP_TOKEN_FILE: tokenPath },
    });
    const wrong = join(home.path, "wrong");
    writeFileSync(wrong, TOKEN.toUpperCase().replaceAll(/[A-F]/g, "0").padEnd(40, "1"));
    const refused = await status(["--url", httpOf(hub), "--token-file", wrong]);
    expect(refused).toMatchObject({ status: EXIT.refused });
    expect(refused.stderr).toContain("has another token than this one; see http.token_file there");
    // Each wrong one makes the next wait longer, so in the end longer than the command takes.
    const later = await answered(
      async () => {
        await fetch(`${httpOf(hub)}/healthz`, { headers: { Authorization: "Bearer wrong" } });
        return await status(["--url", httpOf(hub), "--token-file", wrong]);
      },
      ({ stderr }) => stderr.includes("too many"),
    );
    expect(later).toMatchObject({ status: EXIT.refused });
    expect(later.stderr).toMatch(
      /has had too many wrong tokens from this address; try again in \d+ s\n$/,
    );
  });
});

describe("imagehub status says what to do", () => {
  test("when no hub answers", async () => {
    const url = `http://127.0.0.1:${freePort()}`;
    const { status: code, stdout, stderr } = await status(["--url", url]);
    expect({ code, stdout }).toEqual({ code: EXIT.unanswered, stdout: "" });
    expect(stderr).toStartWith(`No hub answers at ${url}: `);
    expect(stderr).toEndWith(
      "\nCheck that it is running (systemctl status imagehub), uses these settings, and that http.listen is not off. To ask another address, give --url\n",
    );
  });

  test("when the settings have no HTTP listener", async () => {
    expect(await status([], { IMAGEHUB_HTTP_LISTEN: "off" })).toEqual({
      status: EXIT.config,
      stdout: "",
      stderr: `hub.http.listen is off (${home.path}/imagehub.yaml), so the hub cannot be asked: set it to an address, or give --url\n`,
    });
  });

  test.each(["ftp://x", "http://x/path", "http://", "http://x?a", ""])(
    "when --url is %j",
    async (url) => {
      expect(await status(["--url", url])).toEqual({
        status: EXIT.usage,
        stdout: "",
        stderr: `--url is "${url}", must be the hub's address, such as http://data1:8550\n`,
      });
    },
  );

  test("when the token cannot be read", async () => {
    const { status: code, stderr } = await status([
      "--url",
      "data1",
      "--token-file",
      join(home.path, "none"),
    ]);
    expect(code).toBe(EXIT.config);
    expect(stderr).toBe(
      `Cannot read the token (${join(home.path, "none")}): no such file or directory\n`,
    );
  });

  describe("when something else answers", () => {
    let server: Server;
    let url: string;
    let answer: { status: number; body: string };
    beforeAll(async () => {
      const listening = Promise.withResolvers<void>();
      server = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
      server.listen(0, "127.0.0.1", () => listening.resolve());
      await listening.promise;
      url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    });
    afterAll(() => server.close());

    test.each([
      [200, "<html>", "is not an imagehub; give another --url\n"],
      [200, "{}", "is not an imagehub; give another --url\n"],
      [200, '{"view": "farm"}', "is imagehub view, not a hub; give the --url of a hub\n"],
      [404, "", "is not an imagehub, or is too old: status 404\n"],
    ])("with %d %j", async (code, body, end) => {
      answer = { status: code, body };
      expect(await status(["--url", url])).toEqual({
        status: EXIT.refused,
        stdout: "",
        stderr: `What answers at ${url} ${end}`,
      });
    });

    test("with 421, as a hub does that is asked by a name and has no token", async () => {
      answer = { status: 421, body: "" };
      const { status: code, stderr } = await status(["--url", url]);
      expect(code).toBe(EXIT.refused);
      expect(stderr).toEndWith(
        "give --url with 127.0.0.1, [::1] or localhost, or set http.token_file there\n",
      );
    });

    test("without an end", async () => {
      answer = { status: 200, body: " ".repeat(5 * 1024 * 1024) };
      const { status: code, stderr } = await status(["--url", url]);
      expect(code).toBe(EXIT.unanswered);
      expect(stderr).toContain("the answer is longer than 4194304 bytes");
    });
  });
});
