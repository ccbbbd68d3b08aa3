/**
 * What is known of the hub, its nodes and cameras, as retained MQTT topics: `docs/MQTT.md` lists
 * them.
 *
 * @module
 */

import { hostname } from "node:os";
import * as z from "zod";
import type { StoredImage } from "../catalog/day-follower.ts";
import type { StoredEvent } from "../catalog/follower.ts";
import { parseJson } from "../protocol/json.ts";
import { imageName } from "../protocol/names.ts";
import type { HubState, NodeState } from "../shared/messages.ts";
import { VERSION } from "../version.ts";
import {
  cameraConfig,
  cameraId,
  type CameraImage,
  hubConfig,
  nodeConfig,
  nodeId,
  ownerOf,
} from "./mqtt-discovery.ts";
import { setNewest, sorted } from "./mqtt-newest.ts";
import { type Reading, readingOf } from "./mqtt-readings.ts";
import type { Retained } from "./mqtt-retained.ts";
import type { Topics } from "./mqtt-topics.ts";

/** Most readings, and most cameras. The one that was told longest ago makes room. */
const READINGS_MAX = 2000;
const CAMERAS_MAX = 1000;

/** Most forgotten nodes that are noted until it is known what the broker has. */
const FORGOTTEN_MAX = 1000;

/** What changes all the time is told again after this time only, in milliseconds. */
const SLOW_MS = 30_000;

const nodeSchema = z.object({
  node: z.string(),
  silent: z.boolean(),
  last_seen: z.iso.datetime(),
  images_today: z.number(),
});
const readingSchema = z.object({
  node: z.string(),
  type: z.string(),
  value: z.union([z.number(), z.string()]),
  unit: z.string(),
  time: z.string(),
});
const cameraSchema = z.object({
  camera: z.string(),
  date: z.string(),
  name: z.string(),
  content_type: z.string(),
});

/** What is told of a node. */
type KnownNode = Pick<NodeState, "node" | "silent" | "last_seen" | "images_today">;

/** What the state needs. */
export interface StateParts {
  readonly topics: Topics;
  readonly retained: Retained;
  readonly isDiscovered: boolean;
  /** The setting `patience`, in minutes. */
  readonly patience: number;
  /** The path of a day's folder. */
  readonly folderOf: (date: string) => string;
}

/** The state of all. */
export class MqttState {
  private readonly nodes = new Map<string, KnownNode>();
  /** Of those, the nodes that the hub itself knows of. */
  private known = new Set<string>();
  /** Nodes of the broker, until the hub's own are compared with them. */
  private readonly found = new Set<string>();
  /** Whether the hub has known nodes from the start. Otherwise it may have lost them. */
  private remembers: boolean | undefined;
  private isLearned = false;
  private readonly forgotten = new Set<string>();
  /** By their topics; the newest last. So are the cameras. */
  private readonly readings = new Map<string, Reading>();
  private readonly cameras = new Map<string, CameraImage>();
  /** Cameras that were there at the last look: a node of theirs is known by now. */
  private settled = new Set<string>();
  /** What was last told of what changes all the time, by topics. */
  private readonly slow = new Map<string, { readonly gist: string; readonly atMs: number }>();
  private configs = new Map<string, string>();

  constructor(private readonly parts: StateParts) {}

  /** Takes in what the broker still has of an earlier run of the hub. */
  learn(topic: string, text: string): void {
    const { topics } = this.parts;
    const value = parseJson(text);
    const node = nodeSchema.safeParse(value).data;
    const reading = readingSchema.safeParse(value).data;
    const camera = cameraSchema.safeParse(value).data;
    if (node !== undefined && topic === topics.node(node.node)) {
      if (this.nodes.has(node.node)) return;
      this.nodes.set(node.node, node);
      this.found.add(node.node);
    } else if (reading !== undefined && topic === topics.reading(reading.node, reading.type)) {
      if (!this.readings.has(topic)) this.addReading(topic, reading);
    } else if (camera !== undefined && topic === topics.camera(camera.camera)) {
      if (!this.cameras.has(camera.camera)) this.addCamera(camera);
      this.settled.add(camera.camera);
    }
  }

  event(event: StoredEvent): void {
    const reading = readingOf(event);
    if (reading !== undefined)
      this.addReading(this.parts.topics.reading(reading.node, reading.type), reading);
  }

  /** All is learned. What was forgotten in the meantime is not to come back. */
  learned(): void {
    this.isLearned = true;
    for (const node of this.forgotten) if (this.nodes.has(node)) this.forget(node);
    this.forgotten.clear();
  }

  image({ camera, date, name }: StoredImage): void {
    const type = name.endsWith(".png") ? "image/png" : "image/jpeg";
    this.addCamera({ camera, date, name, content_type: type });
  }

  /**
   * Takes in the state of the hub.
   *
   * @param nowMs in milliseconds since 1970
   * @param clockMs the same of a clock that nobody sets
   */
  show(hub: HubState, nowMs: number, clockMs: number): void {
    const { topics, retained } = this.parts;
    for (const node of hub.nodes) {
      this.nodes.set(node.node, node);
      this.forgotten.delete(node.node);
    }
    const known = new Set(hub.nodes.map(({ node }) => node));
    for (const node of this.known) {
      if (known.has(node)) continue;
      this.noteForgotten(node);
      this.forget(node);
    }
    this.known = known;
    this.remembers ??= known.size > 0;
    if (this.isLearned) this.compareFound();
    const payload = hubPayload(hub);
    const { free_bytes: _, images_today: __, ...gist } = payload;
    this.setSlowly(topics.hub, payload, gist, clockMs);
    for (const state of this.nodes.values()) {
      const { node, silent, last_seen: seen, images_today: images } = state;
      // A node that only an earlier run has heard of.
      const isSilent = known.has(node)
        ? silent
        : nowMs - Date.parse(seen) > this.parts.patience * 60_000;
      const told = { node, silent: isSilent, last_seen: seen, images_today: images };
      this.setSlowly(topics.node(node), told, isSilent, clockMs);
    }
    if (this.parts.isDiscovered) this.discover();
    this.settled = new Set(this.cameras.keys());
    for (const [topic, config] of this.configs) retained.set(topic, config);
  }

  /** Notes it for when the broker comes with it. */
  private noteForgotten(node: string): void {
    if (this.isLearned) return;
    this.forgotten.add(node);
    const [oldest] = this.forgotten;
    if (oldest !== undefined && this.forgotten.size > FORGOTTEN_MAX) this.forgotten.delete(oldest);
  }

  /** Forgets what the hub has forgotten while it had no broker, or in an earlier run. */
  private compareFound(): void {
    if (this.remembers === true)
      for (const node of this.found) if (!this.known.has(node)) this.forget(node);
    this.found.clear();
  }

  private setSlowly(topic: string, payload: unknown, gist: unknown, clockMs: number): void {
    const text = JSON.stringify(gist);
    const last = this.slow.get(topic);
    if (last?.gist === text && clockMs - last.atMs < SLOW_MS) return;
    this.slow.set(topic, { gist: text, atMs: clockMs });
    this.parts.retained.set(topic, JSON.stringify(payload));
  }

  private addReading(topic: string, reading: Reading): void {
    const oldest = setNewest(this.readings, topic, reading, READINGS_MAX);
    if (oldest !== undefined) this.removeReading(oldest);
    this.parts.retained.set(topic, JSON.stringify(reading));
  }

  private addCamera(image: CameraImage): void {
    const { topics, retained, folderOf } = this.parts;
    const { camera, date, name } = image;
    const oldest = setNewest(this.cameras, camera, image, CAMERAS_MAX);
    if (oldest !== undefined) this.removeCamera(oldest);
    retained.set(topics.camera(camera), JSON.stringify(image));
    retained.set(topics.image(camera), { file: `${folderOf(date)}/${name}` });
  }

  private removeReading(topic: string): void {
    this.readings.delete(topic);
    this.parts.retained.remove(topic);
  }

  private removeCamera(camera: string): void {
    const { topics, retained } = this.parts;
    this.cameras.delete(camera);
    retained.remove(topics.camera(camera));
    retained.remove(topics.image(camera));
  }

  /** Whose a reading or a camera is, by the names of all nodes. */
  private owners() {
    const names = [...this.nodes.keys()];
    const texts = new Map(names.map((name) => [name, name]));
    const files = new Map(names.map((name) => [imageName(name), name]));
    return {
      ofReading: ({ node }: Reading) => ownerOf(node, " ", texts),
      ofCamera: (camera: string) => ownerOf(camera, "-", files),
    };
  }

  /** Empties the topics of a node, except what another node has: its name may be a view there. */
  private forget(node: string): void {
    const { topics, retained, isDiscovered } = this.parts;
    const before = this.owners();
    this.nodes.delete(node);
    const after = this.owners();
    for (const [topic, reading] of this.readings) {
      if (before.ofReading(reading) === node && after.ofReading(reading) === undefined)
        this.removeReading(topic);
    }
    for (const camera of this.cameras.keys()) {
      if (before.ofCamera(camera) === node && after.ofCamera(camera) === undefined)
        this.removeCamera(camera);
    }
    this.slow.delete(topics.node(node));
    retained.remove(topics.node(node));
    if (isDiscovered) retained.remove(topics.config(nodeId(topics, node)));
  }

  /** Makes what Home Assistant is told of all devices, and empties what is not there any more. */
  private discover(): void {
    const { topics, retained } = this.parts;
    const owners = this.owners();
    // In an order that stays, so that a message is the same as long as nothing is new in it.
    const readings = Map.groupBy(sorted(this.readings), (each) => owners.ofReading(each));
    const images = Map.groupBy(sorted(this.cameras), ({ camera }) => owners.ofCamera(camera));
    const configs = new Map<string, string>();
    const add = (id: string, config: unknown): unknown =>
      configs.set(topics.config(id), JSON.stringify(config));
    add(topics.id, hubConfig(topics, `imagehub ${hostname()}`));
    for (const node of this.nodes.keys()) {
      const parts = { readings: readings.get(node) ?? [], images: images.get(node) ?? [] };
      add(nodeId(topics, node), nodeConfig(topics, node, parts));
    }
    for (const image of images.get(undefined) ?? [])
      // One that has just come may be that of a node that is told next.
      if (this.settled.has(image.camera))
        add(cameraId(topics, image.camera), cameraConfig(topics, image));
    // First, as an image may move from one device to another.
    for (const topic of this.configs.keys()) if (!configs.has(topic)) retained.remove(topic);
    this.configs = configs;
  }
}

function hubPayload(hub: HubState) {
  const { health, imagesToday, freeBytes, sizeBytes, outlook, fullInDays, diskWarning } = hub;
  return {
    version: VERSION,
    ...health,
    images_today: imagesToday,
    free_bytes: freeBytes,
    size_bytes: sizeBytes,
    outlook,
    full_in_days: fullInDays ?? null,
    disk_warning: diskWarning ?? null,
  };
}
