/** A whole hub that tells a real broker, mosquitto, and what another client hears there. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../scripts/lib/free-port.ts";
import { lacks, type Program } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { DataDirectory } from "../../src/store/data-directory.ts";
import { nodeFileOf } from "../../src/store/node-file.ts";
import { Topics } from "../../src/tell/mqtt-topics.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { Broker, type Listener } from "../support/peers/mqtt-broker.ts";
import { oldBroker } from "../support/peers/old-mqtt-broker.ts";
import { Sender } from "../support/peers/sender.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

/** The executable for this machine. */
const NATIVE = process.arch === "arm64" ? "arm64" : "x64";

const TOPICS = new Topics("farm/hub", "homeassistant");

let count = 0;

/** A file with a password. */
function passwordFile(password: string): string {
  const file = join(temp.path, `password-${count++}`);
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return file;
}

type Mqtt = Readonly<Record<string, unknown>>;

/** A hub that tells this broker. */
async function hubFor(
  broker: Broker,
  mqtt: Mqtt = {},
  options: { program?: Program; dir?: string; settings?: Mqtt } = {},
): Promise<Hub> {
  const { program = "source", dir = join(temp.path, `hub-${count++}`), settings = {} } = options;
  mkdirSync(dir, { recursive: true });
  const hub = {
    mqtt: { url: `mqtt://127.0.0.1:${broker.port}`, topic: "farm/hub", ...mqtt },
    ...settings,
  };
  writeFileSync(join(dir, "imagehub.yaml"), JSON.stringify({ hub }));
  return await startHub({ program, dir });
}

/** A file by which nobody may write or read anything. */
function aclFile(): string {
  const file = join(temp.path, `acl-${count++}`);
  writeFileSync(file, "topic read nothing\n", { mode: 0o600 });
  return file;
}

/** Runs a command with the settings of a broker. */
async function command(mqtt: Mqtt, ...args: string[]): Promise<CliResult> {
  const dir = join(temp.path, `cli-${count++}`);
  mkdirSync(dir);
  writeFileSync(join(dir, "imagehub.yaml"), JSON.stringify({ hub: { mqtt } }));
  return await runCli([...args, "--path", dir], { home: temp.path });
}

function url({ port }: Broker, scheme = "mqtts"): string {
  return `${scheme}://localhost:${port}`;
}

async function tryOut(mqtt: Mqtt): Promise<CliResult> {
  return await command({ topic: "farm/hub", ...mqtt }, "mqtt", "test");
}

async function check(mqtt: Mqtt): Promise<CliResult> {
  return await command(mqtt, "check");
}

const NODE = `${TOPICS.id}-node-Barn`;

/** The keys of what hangs on a device. */
function partsOf(listener: Listener, deviceId: string): string[] {
  const config = listener.json(TOPICS.config(deviceId));
  return Object.keys(config?.["components"] ?? {});
}

/** The numbers of the events that were heard. */
function numbersOf({ heard }: Listener): number[] {
  return heard.flatMap(({ topic, payload }) =>
    topic === TOPICS.events("Barn")
      ? [(JSON.parse(payload.toString()) as { number: number }).number]
      : [],
  );
}

describe.skipIf(lacks("mqtt", "tls", "python", NATIVE))("a hub with an MQTT broker", () => {
  test("tells events, values and images, and all to who comes later", async () => {
    await using broker = await new Broker().start();
    await using early = await broker.listen(["#"]);
    await using hub = await hubFor(broker, {}, { program: NATIVE });
    // Of what comes before the hub is connected, a topic has only the latest.
    await until(hub, () => early.latest.has(TOPICS.hub));
    await using sender = new Sender(hub.port);
    await sender.jpg("Barn Door|jpg|moving", { file: BARN });
    await sender.event("Barn Door|motion|moving");
    await sender.event("Barn|Temp|76 F");
    await sender.event("Barn Door|motion|still");
    const parts = ["value-Barn-Temp", "value-Barn_20Door-motion", "image-Barn_2DDoor"];
    await until(hub, () => parts.every((part) => partsOf(early, NODE).includes(part)));
    expect(early.json(TOPICS.events("Barn"))).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}$/),
      text: "Barn|Temp|76 F",
      node: "Barn",
      type: "Temp",
      value: "76 F",
      number: 76,
      unit: "F",
    });
    const motions = early.heard
      .filter(({ topic }) => topic === TOPICS.reading("Barn Door", "motion"))
      .map(({ payload }) => (JSON.parse(payload.toString()) as { value: string }).value);
    expect(motions).toEqual(["moving", "still"]);

    await using late = await broker.listen(["#"]);
    await until(hub, () => partsOf(late, NODE).length > 0);
    await until(hub, () => late.latest.has(TOPICS.image("Barn-Door")));
    expect(late.heard.every(({ isRetained }) => isRetained)).toBe(true);
    expect(late.latest.get(TOPICS.status)).toBe("online");
    expect(late.json(TOPICS.hub)).toMatchObject({ healthy: true });
    expect(late.json(TOPICS.node("Barn"))).toMatchObject({ node: "Barn", silent: false });
    expect(late.json(TOPICS.reading("Barn", "Temp"))).toMatchObject({ value: 76, unit: "F" });
    expect(late.json(TOPICS.reading("Barn Door", "motion"))).toMatchObject({ value: "still" });
    const image = late.heard.find(({ topic }) => topic === TOPICS.image("Barn-Door"));
    expect(image?.payload.equals(readFileSync(BARN))).toBe(true);
    expect(late.latest.has(TOPICS.events("Barn"))).toBe(false);
  });

  test("is offline when it stops and when it is killed, and knows its nodes again when it is back", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["#"]);
    const dir = join(temp.path, "again");
    const isOnline = (isSo: boolean) => (): boolean =>
      listener.latest.get(TOPICS.status) === (isSo ? "online" : "offline");
    {
      await using hub = await hubFor(broker, {}, { dir });
      await using sender = new Sender(hub.port);
      await sender.event("Barn|Temp|76 F");
      await until(hub, () => partsOf(listener, NODE).includes("value-Barn-Temp"));
      expect(isOnline(true)()).toBe(true);
      await hub.kill();
      await until(hub, isOnline(false));
    }
    await using hub = await hubFor(broker, {}, { dir });
    await until(hub, isOnline(true));
    // An event of the same node with nothing else known of it in this run.
    await using sender = new Sender(hub.port);
    await sender.event("Barn|humidity|41.0 %");
    await until(hub, () => partsOf(listener, NODE).includes("value-Barn-humidity"));
    expect(partsOf(listener, NODE)).toContain("value-Barn-Temp");
    expect(await hub.stop()).toBe(EXIT.ok);
    await until(hub, isOnline(false));
  });

  test("loses what a node has there when it is forgotten while no hub runs, but not when the hub's list is damaged", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen(["#"]);
    const dir = join(temp.path, "forgotten");
    const gate = `${TOPICS.id}-node-Gate`;
    {
      await using hub = await hubFor(broker, {}, { program: NATIVE, dir });
      await using sender = new Sender(hub.port);
      await sender.event("Barn|Temp|76 F");
      await sender.event("Gate|Temp|70 F");
      for (const id of [NODE, gate])
        await until(hub, () => partsOf(listener, id).some((part) => part.startsWith("value-")));
      expect(await hub.stop()).toBe(EXIT.ok);
    }
    const { status } = await runCli(["forget", "Barn", "--path", dir], { home: temp.path });
    expect(status).toBe(EXIT.ok);
    let nodes: string;
    {
      await using hub = await hubFor(broker, {}, { program: NATIVE, dir });
      const ofBarn = [TOPICS.config(NODE), TOPICS.node("Barn"), TOPICS.reading("Barn", "Temp")];
      await until(hub, () => ofBarn.every((topic) => listener.latest.get(topic) === ""));
      expect(partsOf(listener, gate)).toContain("value-Gate-Temp");
      expect(await hub.stop()).toBe(EXIT.ok);
      nodes = nodeFileOf(new DataDirectory(hub.dataDir));
    }
    writeFileSync(nodes, "damaged");
    await using hub = await hubFor(broker, {}, { program: NATIVE, dir });
    await using sender = new Sender(hub.port);
    await sender.event("Fox|Temp|60 F");
    await until(hub, () => partsOf(listener, `${TOPICS.id}-node-Fox`).includes("value-Fox-Temp"));
    expect(partsOf(listener, gate)).toContain("value-Gate-Temp");
    expect(listener.json(TOPICS.node("Gate"))).toMatchObject({ node: "Gate" });
    expect(readFileSync(`${nodes}.damaged`, "utf8")).toBe("damaged");
  });

  test("loses no event over a restart of the hub", async () => {
    await using broker = await new Broker().start();
    await using listener = await broker.listen([TOPICS.events("Barn")]);
    const dir = join(temp.path, "promised");
    let sent = 0;
    for (const _ of [1, 2]) {
      await using hub = await hubFor(broker, { discovery: "off" }, { program: NATIVE, dir });
      await using sender = new Sender(hub.port);
      for (const end = sent + 500; sent < end; sent++)
        expect((await sender.event(`Barn|number|${sent}`)).reply).toBe("OK");
      expect(await hub.stop()).toBe(EXIT.ok);
    }
    await until({ output: () => "" }, () => numbersOf(listener).length >= sent);
    expect(numbersOf(listener)).toEqual(Array.from({ length: sent }, (_, at) => at));
  });

  test("that stops or takes nothing more is no matter for cameras; what it missed comes after", async () => {
    await using broker = await new Broker().start();
    await using hub = await hubFor(broker, {}, { program: NATIVE });
    await using sender = new Sender(hub.port);
    await sender.event("Barn|number|1");
    {
      await using listener = await broker.listen([TOPICS.reading("Barn", "number")]);
      await until(hub, () => listener.heard.length > 0);
    }
    await broker.stop();
    await until(hub, () => linesWith(hub, "mqtt: The broker has closed").length > 0);
    expect((await sender.event("Barn|number|2")).reply).toBe("OK");
    await broker.start();
    await using listener = await broker.listen([TOPICS.events("Barn"), TOPICS.image("Barn")]);
    await sender.event("Barn|number|3");
    await until(hub, () => numbersOf(listener).includes(3));
    broker.pause();
    for (const each of [4, 5, 6]) {
      expect((await sender.event(`Barn|number|${each}`)).reply).toBe("OK");
      expect((await sender.jpg("Barn|jpg|moving", { file: BARN })).reply).toBe("OK");
    }
    broker.resume();
    await until(hub, () => numbersOf(listener).includes(6));
    await until(hub, () => listener.latest.has(TOPICS.image("Barn")));
    broker.pause();
    await sender.event("Barn|number|7");
    // Within the bound of every stop, whatever the broker does.
    expect(await hub.stop()).toBe(EXIT.ok);
  });
});

describe.skipIf(lacks("mqtt", "tls", "python", NATIVE))("the way to an MQTT broker", () => {
  const authority = makeCertificate(temp.path, "authority", { isAuthority: true });
  const localhost = makeCertificate(temp.path, "localhost", {
    issuer: authority,
    owner: "DNS:localhost",
  });
  const other = makeCertificate(temp.path, "other", { issuer: authority });
  const own = makeCertificate(temp.path, "own", { issuer: authority });
  const foreign = makeCertificate(temp.path, "foreign");

  test("leads through TLS, a certificate and a password", async () => {
    await using broker = await new Broker({
      user: "hub",
      password: "right",
      tls: localhost,
      clientCa: authority.certificate,
    }).start();
    const settings = {
      url: url(broker),
      user: "hub",
      password_file: passwordFile("right"),
      ca: authority.certificate,
      certificate: own.certificate,
      key: own.key,
    };
    await using hub = await hubFor(broker, settings, { program: NATIVE });
    expect(await tryOut(settings)).toEqual({
      status: EXIT.ok,
      stdout: `Connected to ${settings.url} as hub\nThe broker has confirmed a message on farm/hub/test\nIt has come back\n`,
      stderr: "",
    });
    const without = await tryOut({ ...settings, certificate: "", key: "" });
    expect(without.status).toBe(EXIT.refused);
    expect(without.stderr).toContain("wants a certificate: set hub.mqtt.certificate");
    const strange = await tryOut({
      ...settings,
      certificate: foreign.certificate,
      key: foreign.key,
    });
    expect(strange.stderr).toContain("does not accept the certificate in hub.mqtt.certificate");
    expect(linesWith(hub, "warn  mqtt:")).toEqual([]);
  });

  test("that is wrong is said once in the log, and cameras do not notice", async () => {
    await using broker = await new Broker({ user: "hub", password: "right" }).start();
    const settings = { user: "hub", password_file: passwordFile("wrong") };
    await using hub = await hubFor(broker, settings, { program: NATIVE });
    await using sender = new Sender(hub.port);
    const line = "refuses the user or the password";
    await until(hub, () => linesWith(hub, line).length > 0);
    expect((await sender.event("Barn|number|1")).reply).toBe("OK");
    // The next tries are after 1 and 2 s. Now it is right, and is read again.
    await Bun.sleep(1500);
    expect(linesWith(hub, line).length).toBe(1);
    writeFileSync(settings.password_file, "right");
    await using listener = await broker.listen([TOPICS.events("Barn")]);
    await until(hub, () => numbersOf(listener).includes(1));
    expect(linesWith(hub, "warn  mqtt:").length).toBe(1);
  });

  test("is named by `imagehub mqtt test` where it ends", async () => {
    await using broker = await new Broker({
      user: "hub",
      password: "right",
      tls: localhost,
    }).start();
    await using elsewhere = await new Broker({ tls: other }).start();
    await using plain = await new Broker({ lines: ["acl_file " + aclFile()] }).start();
    await using silent = await listenTcp(() => undefined);
    const ca = authority.certificate;
    const right = { url: url(broker), user: "hub", password_file: passwordFile("right"), ca };
    const cases: [Mqtt, number, string][] = [
      [{ url: "" }, EXIT.config, "hub.mqtt.url is not set"],
      [{ url: `mqtt://localhost:${freePort()}` }, EXIT.unanswered, "No broker listens at"],
      [{ url: "mqtt://nobody.invalid" }, EXIT.unanswered, "The name nobody.invalid is not known"],
      [{ url: `mqtt://127.0.0.1:${silent.port}` }, EXIT.unanswered, "does not answer"],
      [
        { ...right, password_file: passwordFile("wrong") },
        EXIT.refused,
        "refuses the user or the password",
      ],
      [
        { ...right, ca: "" },
        EXIT.refused,
        "is signed by an authority that is not known here: set hub.mqtt.ca",
      ],
      [{ url: url(elsewhere), ca }, EXIT.refused, "is for another name than localhost"],
      [{ ...right, url: url(broker, "mqtt") }, EXIT.refused, "has closed the connection"],
    ];
    const results = await Promise.all(cases.map(async ([mqtt]) => await tryOut(mqtt)));
    for (const [at, [, status, text]] of cases.entries()) {
      expect(results[at]).toMatchObject({ status, stdout: "" });
      expect(results[at]?.stderr).toContain(text);
    }
    const denied = await tryOut({ url: url(plain, "mqtt") });
    expect(denied.status).toBe(EXIT.refused);
    expect(denied.stderr).toContain("The broker refuses the message. Does it let this user");
    await using old = await oldBroker(plain.port, "refuse");
    const silently = await tryOut({ url: `mqtt://127.0.0.1:${old.port}` });
    expect(silently.status).toBe(EXIT.failure);
    expect(silently.stdout).toContain("But it has not come back: the broker does not let this");
  });

  test("is looked at by `imagehub check` without a connection", async () => {
    const expired = makeCertificate(temp.path, "expired", { days: -1, issuer: authority });
    const there = { url: "mqtts://nobody.invalid", user: "hub", password_file: passwordFile("a") };
    const whole = { ca: authority.certificate, certificate: own.certificate, key: own.key };
    expect(await check({ ...there, ...whole })).toMatchObject({ status: EXIT.ok, stderr: "" });
    const garbage = join(temp.path, "garbage");
    writeFileSync(garbage, "garbage");
    const cases: [Mqtt, string][] = [
      [{ ...there, password_file: join(temp.path, "none") }, "hub.mqtt: Cannot read "],
      [{ ...there, user: "" }, "hub.mqtt: password_file needs user"],
      [{ ...there, ca: garbage }, "holds no complete certificate in PEM"],
      [{ ...there, certificate: own.certificate, key: other.key }, "does not fit the certificate"],
      [{ ...there, certificate: own.certificate }, "certificate and key belong together"],
      [{ ...there, key: own.key }, "certificate and key belong together"],
      [{ ...there, url: "mqtt://hub:secret@nobody.invalid" }, "without user and password"],
      [{ ...there, url: "https://nobody.invalid" }, "hub.mqtt.url is"],
    ];
    for (const [mqtt, text] of cases) {
      const { status, stdout, stderr } = await check(mqtt);
      expect({ status, stdout }).toEqual({ status: EXIT.config, stdout: "" });
      expect(stderr).toContain(text);
    }
    for (const mqtt of [
      { ...there, ca: expired.certificate },
      { ...there, certificate: expired.certificate, key: expired.key },
    ]) {
      const { status, stderr } = await check(mqtt);
      expect(status).toBe(EXIT.ok);
      expect(stderr).toContain("has expired on");
    }
    chmodSync(there.password_file, 0o644);
    const seen = await check({ ...there, url: "mqtt://nobody.invalid", ca: whole.ca });
    expect(seen.status).toBe(EXIT.ok);
    expect(seen.stderr).toBe(
      `Every user of this machine can read the password in ${there.password_file}. To prevent this: chmod o= ${there.password_file}\n` +
        "hub.mqtt: ca, certificate and key are not used with mqtt://, only with mqtts://\n",
    );
  });
});
