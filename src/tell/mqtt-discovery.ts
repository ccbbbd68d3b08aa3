/**
 * What Home Assistant is told so that it finds the hub, its nodes and their cameras by itself: one
 * message for each device.
 *
 * @see https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 *
 * @module
 */

import { imageName } from "../protocol/names.ts";
import { VERSION } from "../version.ts";
import { BINARY, type Reading } from "./mqtt-readings.ts";
import { idOf, type Topics } from "./mqtt-topics.ts";

/** The latest image of a camera. */
export interface CameraImage {
  /** Beginning of its file names. */
  readonly camera: string;
  /** The name of its folder, such as `2018-12-30`. */
  readonly date: string;
  readonly name: string;
  readonly content_type: string;
}

/** What hangs on a device besides its state. */
export interface Parts {
  readonly readings: readonly Reading[];
  readonly images: readonly CameraImage[];
}

/** An entity. */
export type Component = Readonly<Record<string, unknown>> & { readonly platform: string };

/** What Home Assistant is told of a device. */
export interface Config {
  readonly device: Readonly<Record<string, unknown>>;
  readonly origin: Readonly<Record<string, unknown>>;
  readonly availability: readonly { readonly topic: string }[];
  readonly components: Readonly<Record<string, Component>>;
}

/** The hub itself. @param name of the machine */
export function hubConfig(topics: Topics, name: string): Config {
  const state = (template: string) => ({
    state_topic: topics.hub,
    value_template: `{{ ${template} }}`,
  });
  return config(topics, topics.id, { name, model: "Hub", sw_version: VERSION }, [
    [
      "problem",
      {
        platform: "binary_sensor",
        name: "Problem",
        device_class: "problem",
        ...state("'OFF' if value_json.healthy else 'ON'"),
        json_attributes_topic: topics.hub,
        json_attributes_template:
          "{{ {'reasons': value_json.reasons, 'notices': value_json.notices} | tojson }}",
      },
    ],
    [
      "free",
      {
        platform: "sensor",
        name: "Free space",
        device_class: "data_size",
        state_class: "measurement",
        unit_of_measurement: "GB",
        ...state("(value_json.free_bytes / 1000000000) | round(1)"),
      },
    ],
    [
      "full",
      {
        platform: "sensor",
        name: "Disk full in",
        device_class: "duration",
        unit_of_measurement: "d",
        ...state("value_json.full_in_days"),
      },
    ],
    [
      "outlook",
      {
        platform: "sensor",
        name: "Disk outlook",
        device_class: "enum",
        options: ["unknown", "never", "filling", "blocked"],
        entity_category: "diagnostic",
        ...state("value_json.outlook"),
      },
    ],
    ["images", imagesToday(topics.hub)],
    [
      "version",
      {
        platform: "sensor",
        name: "Version",
        entity_category: "diagnostic",
        ...state("value_json.version"),
      },
    ],
  ]);
}

/** A node with what it and its views have sent. */
export function nodeConfig(topics: Topics, node: string, { readings, images }: Parts): Config {
  const stateTopic = topics.node(node);
  const id = nodeId(topics, node);
  return config(topics, id, { name: node, model: "Node", via_device: topics.id }, [
    [
      "connected",
      {
        platform: "binary_sensor",
        name: "Connected",
        device_class: "connectivity",
        entity_category: "diagnostic",
        state_topic: stateTopic,
        value_template: "{{ 'OFF' if value_json.silent else 'ON' }}",
      },
    ],
    [
      "seen",
      {
        platform: "sensor",
        name: "Last seen",
        device_class: "timestamp",
        entity_category: "diagnostic",
        state_topic: stateTopic,
        value_template: "{{ value_json.last_seen }}",
      },
    ],
    ["images", imagesToday(stateTopic)],
    ...readings.map((reading) => readingComponent(topics, node, reading)),
    ...images.map((image) => imageComponent(topics, image, viewIn(image.camera, imageName(node)))),
  ]);
}

/** A camera of which no node is known. */
export function cameraConfig(topics: Topics, image: CameraImage): Config {
  const { camera: name } = image;
  const device = { name, model: "Camera", via_device: topics.id };
  return config(topics, cameraId(topics, name), device, [imageComponent(topics, image, "")]);
}

/** The id of a node's device. */
export function nodeId({ id }: Topics, node: string): string {
  return `${id}-node-${idOf(node)}`;
}

/** The id of the device of a camera without a node. */
export function cameraId({ id }: Topics, camera: string): string {
  return `${id}-camera-${idOf(camera)}`;
}

/**
 * The node that a text or a file name belongs to: that of this name, or the longest with which it
 * begins, up to a separator.
 */
export function ownerOf(
  name: string,
  separator: string,
  nodes: ReadonlyMap<string, string>,
): string | undefined {
  const own = nodes.get(name);
  if (own !== undefined) return own;
  for (let end = name.lastIndexOf(separator); end > 0; end = name.lastIndexOf(separator, end - 1)) {
    const node = nodes.get(name.slice(0, end));
    if (node !== undefined) return node;
  }
  return undefined;
}

function config(
  topics: Topics,
  id: string,
  device: Readonly<Record<string, unknown>>,
  components: readonly (readonly [string, Component])[],
): Config {
  return {
    device: { identifiers: [id], manufacturer: "imagehub", ...device },
    origin: { name: "imagehub", sw_version: VERSION },
    availability: [{ topic: topics.status }],
    components: Object.fromEntries(
      components.map(([key, { platform, ...rest }]) => [
        key,
        // An image or a value keeps its id if it moves to another device.
        {
          platform,
          unique_id: `${/^(?:image|value)-/.test(key) ? topics.id : id}-${key}`,
          ...rest,
        },
      ]),
    ),
  };
}

function imagesToday(stateTopic: string): Component {
  return {
    platform: "sensor",
    name: "Images today",
    state_class: "total_increasing",
    unit_of_measurement: "images",
    state_topic: stateTopic,
    value_template: "{{ value_json.images_today }}",
  };
}

function imageComponent(topics: Topics, image: CameraImage, view: string): [string, Component] {
  const { camera, content_type: type } = image;
  const name = view === "" ? "Image" : view;
  return [
    `image-${idOf(camera)}`,
    { platform: "image", name, image_topic: topics.image(camera), content_type: type },
  ];
}

function readingComponent(topics: Topics, node: string, reading: Reading): [string, Component] {
  const { node: source, type, value, unit } = reading;
  const shared = {
    name: `${viewIn(source, node)} ${type}`.trim() || "Value",
    state_topic: topics.reading(source, type),
    value_template: "{{ value_json.value }}",
  };
  const key = `value-${idOf(source, type)}`;
  const binary = BINARY.find(({ on, off }) => value === on || value === off);
  if (binary !== undefined) {
    const { class: kind, on, off } = binary;
    const payloads = { device_class: kind, payload_on: on, payload_off: off };
    return [key, { platform: "binary_sensor", ...shared, ...payloads }];
  }
  return [
    key,
    { platform: "sensor", ...shared, state_class: "measurement", ...measureOf(type, unit) },
  ];
}

/** What follows the node's name. */
function viewIn(name: string, node: string): string {
  return name.slice(node.length + 1);
}

/**
 * Units as Home Assistant writes them, and what is measured with them. Its classes accept only
 * their own units.
 */
const MEASURES: readonly {
  readonly units: Readonly<Record<string, string>>;
  readonly type: RegExp;
  readonly class: string;
}[] = [
  {
    units: { F: "°F", "°F": "°F", C: "°C", "°C": "°C" },
    type: /(?:)/,
    class: "temperature",
  },
  { units: { lx: "lx", lux: "lx" }, type: /(?:)/, class: "illuminance" },
  { units: { "%": "%" }, type: /humid/i, class: "humidity" },
  { units: { "%": "%" }, type: /moist/i, class: "moisture" },
  { units: { "%": "%" }, type: /batt/i, class: "battery" },
  { units: { hPa: "hPa", mbar: "mbar", inHg: "inHg" }, type: /press|baro/i, class: "pressure" },
];

function measureOf(type: string, unit: string): Readonly<Record<string, string>> {
  const measure = MEASURES.find((each) => Object.hasOwn(each.units, unit) && each.type.test(type));
  if (measure !== undefined)
    return { device_class: measure.class, unit_of_measurement: measure.units[unit]! };
  return unit === "" ? {} : { unit_of_measurement: unit };
}
