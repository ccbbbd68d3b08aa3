/**
 * Which devices Home Assistant is told of, and what hangs on each.
 *
 * What goes from a device is first told there with its platform alone, and left out when the broker
 * has that: Home Assistant would otherwise keep it. Until then, it is told nowhere else.
 *
 * @see https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 *
 * @module
 */

import { hostname } from "node:os";
import { imageName } from "../protocol/names.ts";
import {
  cameraConfig,
  cameraId,
  type CameraImage,
  type Component,
  type Config,
  hubConfig,
  nodeConfig,
  nodeId,
  ownerOf,
} from "./mqtt-discovery.ts";
import { setNewest, sorted } from "./mqtt-newest.ts";
import type { Reading } from "./mqtt-readings.ts";
import type { Retained } from "./mqtt-retained.ts";
import type { Topics } from "./mqtt-topics.ts";

/** Most parts that go. */
const LEAVING_MAX = 2000;

/** What there is. */
export interface Inventory {
  readonly nodes: ReadonlyMap<string, unknown>;
  /** By their topics. */
  readonly readings: ReadonlyMap<string, Reading>;
  readonly cameras: ReadonlyMap<string, CameraImage>;
}

/** Where a part is. */
interface Place {
  /** Of its device. */
  readonly topic: string;
  readonly platform: string;
}

/** Whose a reading or a camera is, by the names of all nodes. */
export function ownersIn(nodes: Inventory["nodes"]) {
  const names = [...nodes.keys()];
  const texts = new Map(names.map((name) => [name, name]));
  const files = new Map(names.map((name) => [imageName(name), name]));
  return {
    ofReading: ({ node }: Reading) => ownerOf(node, " ", texts),
    ofCamera: (camera: string) => ownerOf(camera, "-", files),
  };
}

/** The devices of one hub. */
export class Devices {
  /** The topics that hold a device. */
  private told: ReadonlySet<string> = new Set();
  /** The images and values there, by their keys, which no two have. */
  private places: ReadonlyMap<string, Place> = new Map();
  /** Those that go from there, until the broker has it. */
  private readonly leaving = new Map<string, Place>();

  constructor(private readonly topics: Topics) {}

  /** An earlier run has told these. */
  learned(earlier: Inventory): void {
    const configs = this.configsOf(earlier, () => true);
    this.told = new Set(configs.keys());
    this.places = placesIn(configs);
  }

  /**
   * Has the broker told what has changed.
   *
   * @param isSettled whether a camera without a node gets a device of its own
   */
  tell(now: Inventory, isSettled: (camera: string) => boolean, retained: Retained): void {
    const { leaving } = this;
    for (const [key, { topic }] of leaving) if (retained.isTold(topic)) leaving.delete(key);
    const configs = this.configsOf(now, isSettled);
    const places = placesIn(configs);
    for (const [key, place] of this.places) {
      const next = places.get(key);
      if (next?.topic !== place.topic || next.platform !== place.platform)
        setNewest(leaving, key, place, LEAVING_MAX);
    }
    while (leaving.size > LEAVING_MAX) leaving.delete([...leaving.keys()][0]!);
    const parts = new Map(
      Array.from(configs, ([topic, { components }]) => [topic, { ...components }]),
    );
    for (const [key, { topic, platform }] of leaving) {
      const next = places.get(key);
      if (next !== undefined) delete parts.get(next.topic)?.[key];
      places.delete(key);
      const former = parts.get(topic);
      if (former !== undefined) former[key] = { platform };
    }
    for (const topic of this.told) if (!configs.has(topic)) retained.remove(topic);
    for (const [topic, config] of configs)
      retained.set(topic, JSON.stringify({ ...config, components: parts.get(topic) }));
    this.told = new Set(configs.keys());
    this.places = places;
  }

  /** By their topics. */
  private configsOf(
    { nodes, readings, cameras }: Inventory,
    isSettled: (camera: string) => boolean,
  ): Map<string, Config> {
    const { topics } = this;
    const owners = ownersIn(nodes);
    // In an order that stays, so that a message is the same as long as nothing is new in it.
    const values = Map.groupBy(sorted(readings), (each) => owners.ofReading(each));
    const images = Map.groupBy(sorted(cameras), ({ camera }) => owners.ofCamera(camera));
    const configs = new Map<string, Config>();
    configs.set(topics.config(topics.id), hubConfig(topics, `imagehub ${hostname()}`));
    for (const node of nodes.keys()) {
      const parts = { readings: values.get(node) ?? [], images: images.get(node) ?? [] };
      configs.set(topics.config(nodeId(topics, node)), nodeConfig(topics, node, parts));
    }
    for (const image of images.get(undefined) ?? []) {
      const { camera } = image;
      if (isSettled(camera))
        configs.set(topics.config(cameraId(topics, camera)), cameraConfig(topics, image));
    }
    return configs;
  }
}

/** Where the images and values are. All else stays in its device for good. */
function placesIn(configs: ReadonlyMap<string, Config>): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [topic, { components }] of configs)
    for (const [key, { platform }] of Object.entries<Component>(components))
      if (/^(?:image|value)-/.test(key)) places.set(key, { topic, platform });
  return places;
}
