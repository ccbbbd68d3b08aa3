import { expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSettings } from "../../src/config/schema.ts";
import { MqttFiles } from "../../src/tell/mqtt-files.ts";
import { tempDir } from "../support/machine/temp.ts";

test("MqttFiles reads anew each time, and uses what was read last while a disk does not respond", async () => {
  using temp = tempDir();
  const file = join(temp.path, "password");
  const mqtt = { url: "mqtt://localhost", user: "hub", password_file: file };
  const notes: string[] = [];
  const late = Promise.withResolvers<void>();
  const make = (): MqttFiles =>
    new MqttFiles(
      { ...defaultSettings().mqtt, ...mqtt },
      (note) => notes.push(note),
      async () => await late.promise,
    );
  const files = make();
  expect(await files.options().catch(String)).toStartWith(`Error: Cannot read ${file}: ENOENT`);
  for (const password of ["one", "two"]) {
    writeFileSync(file, `${password}\n`, { mode: 0o644 });
    expect(await files.options()).toMatchObject({ username: "hub", password });
  }
  expect(notes).toEqual([
    `Every user of this machine can read the password in ${file}. To prevent this: chmod o= ${file}`,
  ]);
  // Nobody writes into it, so whoever opens it waits.
  Bun.spawnSync(["mkfifo", join(temp.path, "pipe")]);
  renameSync(join(temp.path, "pipe"), file);
  late.resolve();
  const [last, none] = await Promise.all([files.options(), make().options().catch(String)]);
  expect(last).toMatchObject({ password: "two" });
  expect(none).toBe("Error: Its files cannot be read: their disk does not respond");
  // The threads that wait go on.
  writeFileSync(file, "three");
});
