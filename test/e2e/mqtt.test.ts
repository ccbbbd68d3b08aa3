/** A whole hub that tells a real broker, mosquitto, and what another client hears there. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { lacks, type Program } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { Topics } from "../../src/tell/mqtt-topics.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir } from "../support/machine/temp.ts";
import { makeCertificate } from "../support/peers/certificates.ts";
import { Broker } from "../support/peers/mqtt-broker.ts";
import { Sender } from "../support/peers/sender.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(25_000);

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

describe.skipIf(lacks("mqtt", "tls", "python", NATIVE))("a hub with an MQTT broker", () => {
  test("tells events, values and images, and all to who comes later", async () => {
    await using broker = await new Broker().start();
    await using early = await broker.listen(["#"]);
    await using hub = await hubFor(broker, {}, { program: NATIVE });
    await using sender = new Sender(hub.port);
    await sender.jpg("Barn Door|jpg|moving", { file: BARN });
    await sender.event("Barn Door|motion|moving");
    await sender.event("Barn|Temp|76 F");
    await sender.event("Barn|Temp|77 F");
    await Bun.sleep(9000);
    console.log(
      hub.output(),
      early.heard.map((h) => [
        h.topic,
        h.payload.length < 3000 ? h.payload.toString() : h.payload.length,
      ]),
    );
    await until(hub, () => early.json(TOPICS.node("Barn")) !== undefined);
    await until(hub, () => early.latest.has(TOPICS.config(`${TOPICS.id}-node-Barn`)));
    console.log(
      early.heard.map((h) => [
        h.topic,
        h.payload.length < 3000 ? h.payload.toString() : h.payload.length,
      ]),
    );
  });
});
