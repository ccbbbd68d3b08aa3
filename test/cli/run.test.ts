import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { hostname } from "node:os";
import { httpOf } from "../support/hub/http.ts";
import { until } from "../support/hub/output.ts";
import { runCli } from "../support/hub/cli.ts";
import { startHub } from "../support/hub/hub.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { freePort } from "../../scripts/lib/free-port.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

/** A line of the hub's log without its time. */
const withoutTime = (line: string): string =>
  line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} /, "");

describe("imagehub run ends with the status for an address when", () => {
  test("the port is in use, and names port and process in one line", async () => {
    using home = tempDir();
    await using server = await listenTcp(() => undefined);
    const result = await runCli(["run", "--port", String(server.port)], { home: home.path });
    const comm = await Bun.file(`/proc/${process.pid}/comm`).text();
    expect(result.status).toBe(EXIT.bind);
    expect(withoutTime(result.stderr)).toBe(
      `error Cannot bind tcp://*:${server.port}: port ${server.port} is in use by ` +
        `process ${process.pid} (${comm.trim()}); stop it, or set another port\n`,
    );
  });

  test("another hub runs, which goes on", async () => {
    using home = tempDir();
    await using hub = await startHub();
    const result = await runCli(["--port", String(hub.port)], { home: home.path });
    expect(result.status).toBe(EXIT.bind);
    expect(result.stderr).toContain(`port ${hub.port} is in use by process ${hub.pid} `);
    const sent = await runCli(["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`], {
      home: home.path,
    });
    expect(sent.status).toBe(EXIT.ok);
  });

  test.each([
    ["an address of another machine", "192.0.2.1"],
    ["an interface that is not there", "nosuch0"],
  ])("it is to listen on %s", async (_, bind) => {
    using home = tempDir();
    const port = freePort();
    const result = await runCli(["run", "--port", String(port)], {
      home: home.path,
      env: { IMAGEHUB_BIND: bind },
    });
    expect(result.status).toBe(EXIT.bind);
    expect(withoutTime(result.stderr)).toBe(
      `error Cannot bind tcp://${bind}:${port}: this machine has no such address or interface; see the setting bind\n`,
    );
  });
});

describe("imagehub run ends with the status for the data directory when", () => {
  test.each<[what: string, data: string]>([
    ["a file stands in its place", "file"],
    ["a file stands in its way", "file/below"],
    ["nobody can make it", "/proc/imagehub"],
  ])("%s", async (_, data) => {
    using home = tempDir();
    writeFileSync(join(home.path, "file"), "");
    const result = await runCli(["run", "--data", data, "--port", String(freePort())], {
      home: home.path,
    });
    expect(result.status).toBe(EXIT.data);
    const path = data.startsWith("/") ? data : join(home.path, data);
    expect(withoutTime(result.stderr)).toStartWith(
      `error Cannot write to the data directory ${path}: `,
    );
    expect(result.stderr.trimEnd()).not.toContain("\n");
  });

  test.each<[what: string, data: string, missing: string]>([
    ["its disk is not mounted", "stick/imagehub", "stick"],
    ["more than one directory above it is missing", "stick/deep/imagehub", "stick"],
  ])("%s, and makes nothing", async (_, data, missing) => {
    using home = tempDir();
    const path = join(home.path, data);
    const result = await runCli(["run", "--data", path, "--port", String(freePort())], {
      home: home.path,
    });
    expect(result.status).toBe(EXIT.data);
    expect(withoutTime(result.stderr)).toBe(
      `error Cannot make the data directory ${path}: ${join(home.path, missing)} does not exist; mount the disk, or create it\n`,
    );
    expect(existsSync(join(home.path, missing))).toBe(false);
  });
});

describe("imagehub run", () => {
  test.each<["SIGTERM" | "SIGINT"]>([["SIGTERM"], ["SIGINT"]])(
    "logs start, address and a command for a first image, and stops on %s",
    async (signal) => {
      await using hub = await startHub();
      process.kill(hub.pid, signal);
      while (!hub.output().includes(`${signal}: stopping`)) await Bun.sleep(1);
      // This is a second signal, which changes nothing.
      expect(await hub.stop()).toBe(EXIT.ok);
      const lines = hub.output().trimEnd().split("\n").map(withoutTime);
      expect(lines[0]).toBe(
        `info  No settings file at ${join(hub.dir, "imagehub.yaml")}: using the built-in defaults`,
      );
      expect(lines[1]).toMatch(
        /^info {2}imagehub \S+ \(source\) is starting port=\d+ http\.listen=off data_directory=/,
      );
      expect(lines).toContain(`info  Listening on tcp://*:${hub.port}`);
      const command = /To send a first image: npx bun src\/main\.ts (send .*)$/.exec(
        lines.find((line) => line.includes("first image")) ?? "",
      );
      expect(command?.[1]).toBe(
        `send test/fixtures/Barn-2021-04-19T23.43.20.867255.jpg --node Barn --to tcp://127.0.0.1:${hub.port}`,
      );
      expect(
        existsSync(join(import.meta.dir, "../fixtures/Barn-2021-04-19T23.43.20.867255.jpg")),
      ).toBe(true);
      expect(lines.at(-1)).toStartWith(
        "info  Stopped, all that had arrived is stored and answered",
      );
    },
  );

  test("says last where to open the page, as status does", async () => {
    using home = tempDir();
    const token = join(home.path, "token");
    writeFileSync(token, "0123456789abcdef", { mode: 0o600 });
    const opened = async (listen: string): Promise<[url: string, line: string | undefined]> => {
      const env = { IMAGEHUB_HTTP_LISTEN: listen, IMAGEHUB_HTTP_TOKEN_FILE: token };
      await using hub = await startHub({ env });
      await until(hub, () => hub.output().includes(" in a browser"));
      return [httpOf(hub), withoutTime(hub.output().trimEnd().split("\n").at(-1)!)];
    };
    const [here, line] = await opened("127.0.0.1:0");
    expect(line).toBe(`info  Open ${here} in a browser`);
    const [all, elsewhere] = await opened("0.0.0.0:0");
    expect(elsewhere).toStartWith(`info  Open http://${hostname()}:${new URL(all).port}`);
  });

  test("says where to open the page when it can listen only later", async () => {
    const other = await listenTcp(() => undefined);
    const listen = `127.0.0.1:${other.port}`;
    await using hub = await startHub({ env: { IMAGEHUB_HTTP_LISTEN: listen } });
    await until(hub, () => hub.output().includes("health and metrics are not available"));
    await other[Symbol.asyncDispose]();
    expect(hub.output()).not.toContain(" in a browser");
    process.kill(hub.pid, "SIGHUP");
    await until(hub, () => hub.output().includes(` Open http://${listen} in a browser`));
    expect((await fetch(`http://${listen}/`)).status).toBe(200);
  });

  test("prints the settings when it is to, and no command for a first image when there is one", async () => {
    using home = tempDir();
    const options = { dir: home.path, settings: { hub: { print_settings: true } } };
    {
      await using hub = await startHub(options);
      const sent = await runCli(
        ["send", join(import.meta.dir, "../fixtures/Barn-2021-04-19T23.43.20.867255.jpg")].concat(
          ["--node", "Barn"],
          ["--to", `127.0.0.1:${hub.port}`],
        ),
        { home: home.path },
      );
      expect(sent.status).toBe(EXIT.ok);
      expect(hub.output()).toContain("print_settings: true");
    }
    await using hub = await startHub(options);
    expect(await hub.stop()).toBe(EXIT.ok);
    expect(hub.output()).not.toContain("To send a first image");
  });

  test.each([
    ["::1", "[::1]"],
    ["127.0.0.1", "127.0.0.1"],
    ["lo", "127.0.0.1"],
  ])("listens on %s alone, and stops", async (bind, host) => {
    using home = tempDir();
    await using hub = await startHub({ settings: { hub: { bind } } });
    const sent = await runCli(["send", "--event", "a|b", "--to", `${host}:${hub.port}`], {
      home: home.path,
    });
    expect(sent).toMatchObject({ status: EXIT.ok, stderr: "" });
    expect(await hub.stop()).toBe(EXIT.ok);
    expect(hub.output()).toMatch(/First message from a address=(?:127\.0\.0\.1|"?::1"?)\n/);
  });
});
