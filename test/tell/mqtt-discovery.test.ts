/**
 * What Home Assistant's documentation requires of a discovery message.
 *
 * @see https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 */

import { describe, expect, test } from "bun:test";
import {
  cameraConfig,
  type CameraImage,
  hubConfig,
  nodeConfig,
  ownerOf,
} from "../../src/tell/mqtt-discovery.ts";
import type { Reading } from "../../src/tell/mqtt-readings.ts";
import { Topics } from "../../src/tell/mqtt-topics.ts";

const topics = new Topics("farm/hub", "homeassistant");

const reading = (node: string, type: string, value: number | string, unit = ""): Reading => ({
  node,
  type,
  value,
  unit,
  time: "2026-11-29 12:00:00,000",
});

const image = (camera: string): CameraImage => ({
  camera,
  date: "2026-11-29",
  name: `${camera}-2026-11-29T12.00.00.000000.jpg`,
  content_type: "image/jpeg",
});

/** The keys that each platform requires besides `platform` and `unique_id`. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  sensor: ["state_topic"],
  binary_sensor: ["state_topic"],
  image: ["image_topic"],
};

/** `sensor` device classes with the units that Home Assistant accepts, of those that are used. */
const UNITS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  temperature: ["°C", "°F", "K"],
  humidity: ["%"],
  moisture: ["%"],
  battery: ["%"],
  illuminance: ["lx"],
  pressure: ["hPa", "mbar", "inHg"],
  data_size: ["GB"],
  duration: ["d"],
  timestamp: [undefined],
  enum: [undefined],
};

const NODE = nodeConfig(topics, "Barn", {
  readings: [
    reading("Barn", "Temp", 76, "F"),
    reading("Barn", "Inside", 21.5, "C"),
    reading("Barn", "humidity", 41, "%"),
    reading("Barn", "Moisture", 95, "%"),
    reading("Barn", "Battery", 95, "%"),
    reading("Barn", "feed", 20, "%"),
    reading("Barn", "light", 120, "lux"),
    reading("Barn", "pressure", 1013, "hPa"),
    reading("Barn", "cows", 7),
    reading("Barn", "constructor", 7, "toString"),
    reading("Barn Door", "motion", "moving"),
    reading("Barn Door", "light", "dark"),
  ],
  images: [image("Barn"), image("Barn-Door")],
});

describe.each([
  ["the hub", hubConfig(topics, "imagehub farm")],
  ["a node", NODE],
  ["a camera", cameraConfig(topics, image("Barn-Door"))],
])("the discovery message of %s", (_, config) => {
  test("has what is required", () => {
    expect(config.device["identifiers"]).toEqual([expect.stringMatching(/^[a-zA-Z0-9_-]+$/)]);
    expect(config.device["name"]).toBeString();
    expect(config.origin["name"]).toBe("imagehub");
    expect(config.availability).toEqual([{ topic: "farm/hub/status" }]);
    const components = Object.entries(config.components);
    expect(components.length).toBeGreaterThan(0);
    for (const [key, component] of components) {
      expect(key).toMatch(/^[a-zA-Z0-9_-]+$/);
      expect(Object.keys(component)).toContainValues(["platform", "unique_id", "name"]);
      const required = REQUIRED[component.platform] ?? ["a known platform"];
      for (const name of required) expect(component[name]).toStartWith("farm/hub/");
    }
    const ids = components.map(([, { unique_id: id }]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("has only units that its device classes accept", () => {
    for (const component of Object.values(config.components)) {
      const { platform, device_class: kind, unit_of_measurement: unit } = component;
      if (platform !== "sensor" || kind === undefined) continue;
      expect(UNITS[kind as string]).toContain(unit as string | undefined);
    }
  });
});

test("a node's readings have their classes and units", () => {
  const shown = Object.fromEntries(
    Object.values(NODE.components).map(({ name, platform, device_class: kind, ...rest }) => [
      `${platform} ${String(name)}`,
      [kind, rest["unit_of_measurement"]],
    ]),
  );
  expect(shown).toEqual({
    "binary_sensor Connected": ["connectivity", undefined],
    "sensor Last seen": ["timestamp", undefined],
    "sensor Images today": [undefined, "images"],
    "sensor Temp": ["temperature", "°F"],
    "sensor Inside": ["temperature", "°C"],
    "sensor humidity": ["humidity", "%"],
    "sensor Moisture": ["moisture", "%"],
    "sensor Battery": ["battery", "%"],
    "sensor feed": [undefined, "%"],
    "sensor light": ["illuminance", "lx"],
    "sensor pressure": ["pressure", "hPa"],
    "sensor cows": [undefined, undefined],
    "sensor constructor": [undefined, "toString"],
    "binary_sensor Door motion": ["motion", undefined],
    "binary_sensor Door light": ["light", undefined],
    "image Image": [undefined, undefined],
    "image Door": [undefined, undefined],
  });
});

test("motion is on while something moves", () => {
  expect(Object.values(NODE.components)).toContainEqual(
    expect.objectContaining({ device_class: "motion", payload_on: "moving", payload_off: "still" }),
  );
});

test("a node is linked to the hub, and an image keeps its id when it moves to a node", () => {
  const hub = hubConfig(topics, "imagehub farm");
  const camera = cameraConfig(topics, image("Barn-Door"));
  for (const { device } of [NODE, camera])
    expect(device["via_device"]).toBe((hub.device["identifiers"] as string[])[0]);
  const key = "image-Barn_2DDoor";
  expect(camera.components[key]?.["unique_id"]).toBe(NODE.components[key]?.["unique_id"]);
});

test.each([
  ["Barn", "Barn"],
  ["Barn-Door", "Barn"],
  ["Barn-Door-2", "Barn"],
  ["Old-Barn", "Old Barn"],
  ["Old-Barn-Gate", "Old Barn"],
  ["Old-Barns", "Old"],
  ["Barns", undefined],
  ["Door", undefined],
])("ownerOf finds for the camera %s the node %p", (camera, expected) => {
  const nodes = new Map([
    ["Barn", "Barn"],
    ["Old", "Old"],
    ["Old-Barn", "Old Barn"],
  ]);
  expect(ownerOf(camera, "-", nodes)).toBe(expected);
});
