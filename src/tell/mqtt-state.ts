/**
 * What is known of the hub, its nodes and cameras, as retained MQTT topics: `docs/MQTT.md` lists
 * them.
 *
 * @module
 */

import * as z from "zod";
import type { StoredImage } from "../catalog/day-follower.ts";
import type { StoredEvent } from "../catalog/follower.ts";
import { NODES_MAX } from "../limits.ts";
import { parseJson } from "../protocol/json.ts";
import { nodeIn } from "../protocol/nodes.ts";
import type { HubState, NodeState } from "../shared/messages.ts";
import { VERSION } from "../version.ts";
import { Devices, ownersIn } from "./mqtt-devices.ts";
import type { CameraImage } from "./mqtt-discovery.ts";
import { setNewest } from "./mqtt-newest.ts";
import { type Reading, readingOf } from "./mqtt-readings.ts";
import type { Retained } from "./mqtt-retained.ts";
import type { Topics } from "./mqtt-topics.ts";

/** Most readings, and most cameras. The one that was told longest ago makes room. */
const READINGS_MAX = 2000;
const CAMERAS_MAX = 1000;

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
  /** After how many minutes a node counts as silent. */
  readonly silentAfter: (node: string) => number;
  /** The path of a day's folder. */
  readonly folderOf: (date: string) => string;
}

/** The state of all. */
export class MqttState {
  readonly nodes = new Map<string, KnownNode>();
  /** By their topics; the newest last. So are the cameras. */
  readonly readings = new Map<string, Reading>();
  readonly cameras = new Map<string, CameraImage>();
  /** Cameras that were there at the last look: a node of theirs is known by now. */
  private settled = new Set<string>();
  /** What was last told of what changes all the time, by topics. */
  private readonly slow = new Map<string, { readonly gist: string; readonly atMs: number }>();
  private readonly devices: Devices;
  /** What the broker has of an earlier run, until all of it is learned. */
  private readonly earlier = {
    nodes: new Map<string, KnownNode>(),
    readings: new Map<string, Reading>(),
    cameras: new Map<string, CameraImage>(),
  };

  constructor(private readonly parts: StateParts) {
    this.devices = new Devices(parts.topics);
  }

  /** Takes in what the broker still has of an earlier run of the hub. */
  learn(topic: string, text: string): void {
    const { topics } = this.parts;
    const value = parseJson(text);
    const node = nodeSchema.safeParse(value).data;
    const reading = readingSchema.safeParse(value).data;
    const camera = cameraSchema.safeParse(value).data;
    const { earlier } = this;
    if (node !== undefined && topic === topics.node(node.node)) earlier.nodes.set(node.node, node);
    else if (reading !== undefined && topic === topics.reading(reading.node, reading.type))
      this.evictReading(
        earlier.readings,
        setNewest(earlier.readings, topic, reading, READINGS_MAX),
      );
    else if (camera !== undefined && topic === topics.camera(camera.camera))
      this.evictCamera(
        earlier.cameras,
        setNewest(earlier.cameras, camera.camera, camera, CAMERAS_MAX),
      );
  }

  event(event: StoredEvent): void {
    const reading = readingOf(event);
    if (reading !== undefined)
      this.addReading(this.parts.topics.reading(reading.node, reading.type), reading);
  }

  /** All is learned. What this run knows is newer. */
  learned(): void {
    const { nodes, readings, cameras } = this.earlier;
    this.devices.learned(this.earlier);
    for (const [name, node] of nodes) if (!this.nodes.has(name)) this.nodes.set(name, node);
    for (const [topic, reading] of readings)
      if (!this.readings.has(topic)) this.addReading(topic, reading);
    for (const [name, camera] of cameras) {
      if (!this.cameras.has(name)) this.addCamera(camera);
      this.settled.add(name);
    }
    for (const each of [nodes, readings, cameras]) each.clear();
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
    const { topics, retained, silentAfter } = this.parts;
    for (const node of hub.nodes) this.nodes.set(node.node, node);
    const known = new Set(hub.nodes.map(({ node }) => node));
    const forgotten = new Set(hub.forgotten);
    // One that is only missing may be known to the broker alone: the hub's own list may be lost.
    for (const node of this.nodes.keys())
      if (!known.has(node) && (forgotten.has(node) || nodeIn(node, known) !== node))
        this.forget(node);
    this.evictNodes(known);
    const payload = hubPayload(hub);
    const { free_bytes: _, images_today: __, ...gist } = payload;
    this.setSlowly(topics.hub, payload, gist, clockMs);
    for (const state of this.nodes.values()) {
      const { node, silent, last_seen: seen, images_today: images } = state;
      // A node that only an earlier run has heard of.
      const isSilent = known.has(node)
        ? silent
        : nowMs - Date.parse(seen) > silentAfter(node) * 60_000;
      const told = { node, silent: isSilent, last_seen: seen, images_today: images };
      this.setSlowly(topics.node(node), told, isSilent, clockMs);
    }
    if (this.parts.isDiscovered)
      // A camera that has just come may be that of a node that is told next.
      this.devices.tell(this, (camera) => this.settled.has(camera), retained);
    this.settled = new Set(this.cameras.keys());
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
    this.evictReading(this.readings, oldest);
    this.parts.retained.set(topic, JSON.stringify(reading));
  }

  private addCamera(image: CameraImage): void {
    const { topics, retained, folderOf } = this.parts;
    const { camera, date, name } = image;
    const oldest = setNewest(this.cameras, camera, image, CAMERAS_MAX);
    this.evictCamera(this.cameras, oldest);
    retained.set(topics.camera(camera), JSON.stringify(image));
    retained.set(topics.image(camera), { file: `${folderOf(date)}/${name}` });
  }

  private evictReading(from: Map<string, Reading>, topic: string | undefined): void {
    if (topic === undefined) return;
    from.delete(topic);
    this.parts.retained.remove(topic);
  }

  private evictCamera(from: Map<string, CameraImage>, camera: string | undefined): void {
    if (camera === undefined) return;
    const { topics, retained } = this.parts;
    from.delete(camera);
    retained.remove(topics.camera(camera));
    retained.remove(topics.image(camera));
  }

  /** Of the nodes that the hub does not know, those make room that were seen longest ago. */
  private evictNodes(known: ReadonlySet<string>): void {
    const excess = this.nodes.size - NODES_MAX;
    if (excess <= 0) return;
    const others = [...this.nodes.values()].filter(({ node }) => !known.has(node));
    const oldest = others.toSorted((a, b) => (a.last_seen < b.last_seen ? -1 : 1));
    for (const { node } of oldest.slice(0, excess)) this.forget(node);
  }

  /** Empties the topics of a node, except what another node has: its name may be a view there. */
  private forget(node: string): void {
    const { topics, retained } = this.parts;
    const before = ownersIn(this.nodes);
    this.nodes.delete(node);
    const after = ownersIn(this.nodes);
    for (const [topic, reading] of this.readings) {
      if (before.ofReading(reading) === node && after.ofReading(reading) === undefined)
        this.evictReading(this.readings, topic);
    }
    for (const camera of this.cameras.keys()) {
      if (before.ofCamera(camera) === node && after.ofCamera(camera) === undefined)
        this.evictCamera(this.cameras, camera);
    }
    this.slow.delete(topics.node(node));
    retained.remove(topics.node(node));
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
