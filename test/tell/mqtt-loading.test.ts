import { expect, test } from "bun:test";
import { join } from "node:path";
import { CHECKOUT } from "../../scripts/lib/available.ts";

/** Whether a process with these settings loads the library. */
function loads(mqtt: Readonly<Record<string, string>>): boolean {
  const program = `
    const { defaultSettings } = await import("${join(CHECKOUT, "src/config/schema.ts")}");
    const { makeOutlets } = await import("${join(CHECKOUT, "src/tell/outlets.ts")}");
    const defaults = defaultSettings();
    const mqtt = { ...defaults.mqtt, ...${JSON.stringify(mqtt)} };
    await makeOutlets({ settings: { ...defaults, mqtt }, warn: () => undefined });
    console.log(Object.keys(require.cache).some((path) => path.includes("/node_modules/mqtt/")));
    process.exit(0);
  `;
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", program], { cwd: CHECKOUT });
  const said = stdout.toString().trim();
  if (said !== "true" && said !== "false") throw new Error(stderr.toString());
  return said === "true";
}

test("the MQTT library is loaded only if there is a broker", () => {
  expect(loads({})).toBe(false);
  expect(loads({ url: "mqtt://127.0.0.1:1" })).toBe(true);
});
