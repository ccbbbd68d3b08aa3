import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { EXIT } from "../../src/errors.ts";
import { monotonicMicros } from "../../src/os/time.ts";
import { TEMPORARY_PREFIX } from "../../src/store/data-directory.ts";
import { lacks, PARTS, PROGRAMS } from "../../scripts/lib/available.ts";
import { runCli } from "../support/hub/cli.ts";
import { Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { NotifySocket } from "../support/machine/notify-socket.ts";
import { lacksStrace, Strace, threadOf } from "../support/machine/strace.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(120_000);

/** The emulated executable has no libsystemd. */
const programs = PROGRAMS.filter((program) => program === "source" || program === process.arch);

/** A watchdog that is fed every 500 ms. */
const WATCHDOG = { WATCHDOG_USEC: "1500000" };

const withSocket = (socket: NotifySocket, env: Record<string, string> = {}) => ({
  NOTIFY_SOCKET: socket.path,
  ...env,
});

async function isReachable(port: number): Promise<boolean> {
  const result = Promise.withResolvers<boolean>();
  const socket = connect({ host: "127.0.0.1", port });
  socket.once("connect", () => result.resolve(true));
  socket.once("error", () => result.resolve(false));
  const isConnected = await result.promise;
  socket.destroy();
  return isConnected;
}

describe.each(programs)("imagehub from %s tells systemd", (program) => {
  describe.skipIf(lacks("systemd", ...PARTS[program]))("with libsystemd", () => {
    test("that it is ready once it listens and leftovers are cleared, and then how it does", async () => {
      using socket = new NotifySocket();
      using home = tempDir();
      const logs = join(home.path, "imagehub_data/logs");
      const leftover = join(logs, `${TEMPORARY_PREFIX}1`);
      mkdirSync(logs, { recursive: true });
      writeFileSync(leftover, "unfinished");
      await using hub = new Hub({ program, dir: home.path, env: withSocket(socket) });
      await socket.until("READY=1");
      expect(await isReachable(hub.port)).toBe(true);
      expect(existsSync(leftover)).toBe(false);
      expect(socket.messages()[0]).toBe("READY=1");
      expect(await socket.until("STATUS=")).toMatch(
        /^STATUS=0\.0 images\/s, 0\.0 events\/s, 0 connections, [01] waiting$/,
      );
      const event = ["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`];
      expect(await runCli(event, { home: home.path })).toMatchObject({ status: EXIT.ok });
      await socket.until(/^STATUS=0\.0 images\/s, 0\.[1-9] events\/s, \d connections, 0 waiting$/);
      // Nobody asked for it.
      expect(socket.count("WATCHDOG=1")).toBe(0);
    });

    test("that it lives, reloads, and stops", async () => {
      using socket = new NotifySocket();
      await using hub = await startHub({ program, env: withSocket(socket, WATCHDOG) });
      await socket.until("WATCHDOG=1", 3);
      const before = monotonicMicros();
      process.kill(hub.pid, "SIGHUP");
      const reloading = await socket.until("RELOADING=1\nMONOTONIC_USEC=");
      const micros = BigInt(reloading.split("=").at(-1)!);
      expect(micros > before && micros < monotonicMicros()).toBe(true);
      await socket.until("READY=1", 2);
      await socket.until("WATCHDOG=1", socket.count("WATCHDOG=1") + 3);
      expect(await hub.stop()).toBe(EXIT.ok);
      expect(socket.messages().at(-1)).toBe("STOPPING=1\nEXTEND_TIMEOUT_USEC=9500000");
    });

    test("and the log that today's cap was spent before it started", async () => {
      using socket = new NotifySocket();
      using home = tempDir();
      const today = new Date().toLocaleDateString("sv-SE");
      const folder = join(home.path, "imagehub_data/images", today);
      mkdirSync(folder, { recursive: true });
      for (const name of ["a.jpg", "b.jpg"]) writeFileSync(join(folder, name), "");
      writeFileSync(join(home.path, "imagehub.yaml"), "hub:\n  max_images_write: 2\n");
      await using hub = new Hub({ program, dir: home.path, env: withSocket(socket) });
      const cap =
        "CAP REACHED: today's folder has 2 of 2 images (max_images_write). " +
        "Until midnight, more images are answered OK but not stored";
      expect(await socket.until(/^STATUS=CAP/)).toStartWith(`STATUS=${cap}; 0.0 images/s, `);
      await until(hub, () => hub.output().includes(cap));
      expect(linesWith(hub, cap)[0]).toContain("warn");
      expect(await hub.stop()).toBe(EXIT.ok);
      writeFileSync(join(home.path, "imagehub.yaml"), "hub:\n  max_images_write: 3\n");
      await using again = new Hub({ program, dir: home.path, env: withSocket(socket) });
      await again.listening();
      await socket.until("STATUS=0.0 images/s");
      expect(linesWith(again, "CAP REACHED")).toEqual([]);
    });

    test("what kept it from starting, and not that it is ready", async () => {
      using socket = new NotifySocket();
      await using other = await startHub();
      await using hub = new Hub({
        program,
        env: withSocket(socket),
        args: ["--port", String(other.port)],
      });
      expect(await socket.until("STATUS=")).toStartWith(
        `STATUS=Cannot bind tcp://*:${other.port}: port `,
      );
      const failure = await hub.listening().catch((error: Error) => error.message);
      expect(failure).toStartWith(`The hub ended with status ${EXIT.bind}`);
      expect(socket.messages()).toHaveLength(1);
    });
  });
});

test("imagehub leaves the watchdog to the process that WATCHDOG_PID names", async () => {
  using socket = new NotifySocket();
  await using hub = await startHub({ env: withSocket(socket, { ...WATCHDOG, WATCHDOG_PID: "1" }) });
  await socket.until("STATUS=");
  await Bun.sleep(1500);
  expect(await hub.stop()).toBe(EXIT.ok);
  expect(socket.count("WATCHDOG=1")).toBe(0);
});

describe.skipIf(process.arch === "arm64" || lacks(...PARTS.arm64))(
  "imagehub without libsystemd",
  () => {
    test("says so, and receives", async () => {
      using socket = new NotifySocket();
      await using hub = await startHub({ program: "arm64", env: withSocket(socket) });
      expect(linesWith(hub, "Cannot report the state of the hub to systemd")).toHaveLength(1);
      const sent = await runCli(["send", "--event", "a|b", "--to", `127.0.0.1:${hub.port}`], {
        home: hub.dir,
      });
      expect(sent.status).toBe(EXIT.ok);
    });
  },
);

test("imagehub loads no libsystemd where systemd did not start it", async () => {
  await using hub = await startHub();
  expect(readFileSync(`/proc/${hub.pid}/maps`, "utf8")).not.toContain("libsystemd");
});

describe.skipIf(lacks("systemd") || lacksStrace())("the watchdog of systemd", () => {
  test.each([
    ["receiver", "poll,ppoll"],
    ["writer 1", "futex"],
  ])("is not fed while the %s is stuck, and again when it goes on", async (name, calls) => {
    using socket = new NotifySocket();
    await using hub = await startHub({ env: withSocket(socket, WATCHDOG) });
    await socket.until("WATCHDOG=1", 2);
    {
      await using stuck = new AsyncDisposableStack();
      stuck.use(await Strace.attachThread(threadOf(hub.pid, name), calls, "delay_enter=600000000"));
      await until(hub, () => hub.output().includes("Not responding: "));
      const fed = socket.count("WATCHDOG=1");
      await Bun.sleep(2000);
      expect(socket.count("WATCHDOG=1")).toBe(fed);
      expect(linesWith(hub, "Not responding: ").at(-1)).toContain(`Not responding: ${name}.`);
    }
    await socket.until("WATCHDOG=1", socket.count("WATCHDOG=1") + 3);
    expect(await hub.stop()).toBe(EXIT.ok);
  });

  test("is fed while all writers wait for the disk", async () => {
    using socket = new NotifySocket();
    const settings = { hub: { writers: 1 } };
    await using hub = await startHub({ env: withSocket(socket, WATCHDOG), settings });
    await socket.until("WATCHDOG=1", 2);
    await using strace = await Strace.attach(hub.pid, "linkat", "delay_enter=600000000");
    const to = ["--to", `127.0.0.1:${hub.port}`, "--timeout", "60"];
    const photo = join(import.meta.dir, "../fixtures/Barn-2021-04-19T23.43.20.867255.jpg");
    const sent = runCli(["send", photo, "--node", "Barn", ...to], { home: hub.dir });
    await until(hub, () => hub.output().includes("The disk stalls"));
    await socket.until("WATCHDOG=1", socket.count("WATCHDOG=1") + 5);
    expect(hub.images()).toEqual([]);
    await strace[Symbol.asyncDispose]();
    expect(await sent).toMatchObject({ status: EXIT.ok });
  });
});
