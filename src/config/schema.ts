/**
 * The settings: their keys, defaults, rules and one-line descriptions. Nothing here reads a file or the environment.
 *
 * A setting is added by one entry in a shape below. Its environment variable, its name in messages and its line in
 * the printed settings follow from the key; the commented `imagehub.yaml` has to gain it too, which a test checks.
 *
 * @module
 */

import { isIP, isIPv6 } from "node:net";
import * as z from "zod";
import { OFF, parseListen } from "../http/listen.ts";
import { parseNetwork } from "../receiver/access.ts";
import { TEXT_BYTES_MAX } from "../request.ts";
import { IMAGE_NAME_BYTES_MAX } from "../store/names.ts";
import { WRITERS_MAX } from "../threads/shared.ts";

/** Most images a queue may be told to hold. */
const QUEUE_IMAGES_MAX = 100_000;
/** Longest patience: a week. */
const PATIENCE_MINUTES_MAX = 7 * 24 * 60;
/** Longest name of an interface, IFNAMSIZ of Linux without its closing zero. */
const INTERFACE_NAME_MAX = 15;

/** Longest time between two flushes, in seconds. */
const SYNC_SECONDS_MAX = 3600;
/** Shortest and longest bound of a frame, in bytes: a small JPEG has to fit, and 1 GiB is more than any camera makes. */
const MESSAGE_BYTES_MIN = 65_536;
const MESSAGE_BYTES_MAX = 1_073_741_824;
/** Most bytes that may wait: 64 GiB. */
const QUEUE_BYTES_MAX = 68_719_476_736;
/** Most connections; each takes a file descriptor. */
const CONNECTIONS_MAX = 100_000;

const ACKS = ["stored", "received", "synced"] as const;
const UNLABELLED = ["ignore", "store"] as const;
const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
const LOG_FORMATS = ["auto", "text", "journal", "json"] as const;

/** What is known about a setting beside its type. */
interface Details {
  /** What it is for, in one line without a full stop. */
  readonly description: string;
  /** What a value has to be; completes the sentence "must be …". */
  readonly rule: string;
  /** The option of the command line that sets it, where that is not the key with dashes. */
  readonly option?: string;
  /** Whether the value is a path, made absolute on loading. */
  readonly isPath?: boolean;
}

type Shape = Readonly<Record<string, z.ZodType>>;

const detailsOf = new WeakMap<z.ZodType, Details>();
const shapeOf = new WeakMap<z.ZodType, Shape>();

function setting<T extends z.ZodType>(type: T, details: Details): T {
  detailsOf.set(type, details);
  return type;
}

/** A group of settings. Left out, or with nothing in it, it is all defaults. */
function section<T extends Shape>(shape: T) {
  const type = z.preprocess((value) => value ?? {}, z.strictObject(shape)).prefault({});
  shapeOf.set(type, shape);
  return type;
}

const oneOf = (words: readonly string[]): string => `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/** 0, 1 and nothing are what Python takes for a truth value, so files written for the Python hub may hold them. */
const truth = z.preprocess((value) => (value === 1 ? true : (value ?? 0) === 0 ? false : value), z.boolean());

function isBindable(text: string): boolean {
  if (text === "*" || isIP(text) !== 0) return true;
  // Digits and dots alone are an address gone wrong, though an interface could bear such a name.
  if (/^[\d.]+$/.test(text)) return false;
  return text.length <= INTERFACE_NAME_MAX && /^[\w.@-]+$/.test(text);
}

/** A path that may be left empty, for none. A new type each time, as each is the key to its own details. */
const optionalPath = () =>
  z.preprocess(
    (value) => value ?? "",
    z
      .string()
      .regex(/^\P{Cc}*$/u)
      .default(""),
  );

/** A list of addresses and networks. A single one, or several with commas, may stand without being a list. */
const networks = z.preprocess(
  (value) =>
    typeof value === "string" ? value.split(/[\s,]+/).filter((part) => part !== "") : (value ?? []),
  z.array(z.string().refine((text) => parseNetwork(text) !== undefined)).default([]),
);

/** Most publishers that the hub listens to. */
const PUBLISHERS_MAX = 256;
/** A public key of CURVE in Z85 (ZeroMQ RFC 32). */
const Z85_KEY = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

const endpoint = z.string().refine((text) => {
  // libzmq takes no others for a host.
  const [, address, port] = /^tcp:\/\/(?:\[([^\]]+)\]|[A-Za-z0-9][\w.-]*):(\d{1,5})$/.exec(text) ?? [];
  return (address === undefined || isIPv6(address)) && Number(port) >= 1 && Number(port) <= 65_535;
});

/** A list of publishers, each its endpoint, or with its key a group. One, or several with commas, may stand without being a list. */
const publishers = z.preprocess(
  (value) =>
    typeof value === "string" ? value.split(/[\s,]+/).filter((part) => part !== "") : (value ?? []),
  z
    .array(z.union([endpoint, z.strictObject({ connect: endpoint, server_key: z.string().regex(Z85_KEY) })]))
    .max(PUBLISHERS_MAX)
    // Each message would be stored twice.
    .refine(
      (all) =>
        new Set(all.map((each) => (typeof each === "string" ? each : each.connect))).size === all.length,
    )
    .default([]),
);

const hubShape = {
  queuemax: setting(z.int().min(1).max(QUEUE_IMAGES_MAX).default(500), {
    description:
      "Images taken in and not yet written, at most, beside one for each connection; further ones are answered ERROR",
    rule: `a whole number from 1 to ${QUEUE_IMAGES_MAX}`,
  }),
  patience: setting(z.number().positive().max(PATIENCE_MINUTES_MAX).default(10), {
    description: "Minutes without any message before a notice is logged, and again every so many minutes",
    rule: `a number above 0, at most ${PATIENCE_MINUTES_MAX} (a week)`,
  }),
  data_directory: setting(
    z
      .string()
      .regex(/^\P{Cc}+$/u)
      .default("imagehub_data"),
    {
      description: "Where images and event logs are kept",
      rule: "a path: absolute, relative to the directory of imagehub.yaml, or from the home directory with ~/",
      option: "--data",
      isPath: true,
    },
  ),
  max_images_write: setting(z.int().min(0).default(5000), {
    description: "Images stored in the folder of one date, at most",
    rule: "a whole number, 0 or more",
  }),
  print_settings: setting(truth.default(false), {
    description: "Print the settings at start",
    rule: "true or false",
  }),
  port: setting(z.int().min(1).max(65_535).default(5555), {
    description: "TCP port that cameras send to",
    rule: "a whole number from 1 to 65535",
  }),
  bind: setting(z.string().refine(isBindable).default("*"), {
    description: "Where to listen",
    rule: '"*" (all interfaces), an IP address or the name of an interface',
  }),
  writers: setting(z.int().min(1).max(WRITERS_MAX).default(2), {
    description: "Threads that write images",
    rule: `a whole number from 1 to ${WRITERS_MAX}`,
  }),
  ack: setting(z.enum(ACKS).default("stored"), {
    description:
      "When a sender gets its OK: stored, once the file stands under its name; received, at once, as the " +
      "Python hub did; synced, once the disk has confirmed it",
    rule: oneOf(ACKS),
  }),
  sync_interval: setting(z.number().min(0.1).max(SYNC_SECONDS_MAX).default(1), {
    description:
      "Seconds between two times that all that was written is brought to the disk in the background, " +
      "so that a power cut costs no more than that",
    rule: `a number from 0.1 to ${SYNC_SECONDS_MAX}`,
  }),
  jpeg_quality: setting(z.int().min(1).max(100).default(95), {
    description:
      "Quality of the JPEG files made from raw images; those that arrive as JPEG are kept as they are",
    rule: "a whole number from 1 to 100",
  }),
  unlabelled: setting(z.enum(UNLABELLED).default("ignore"), {
    description:
      "What becomes of an image whose text has no | in it, such as the name of a machine alone: ignore, answered OK and " +
      "not kept, as the Python hub did; store, kept under the text as the name of its node",
    rule: oneOf(UNLABELLED),
  }),
  log_level: setting(z.enum(LOG_LEVELS).default("info"), {
    description: "The least important lines that the hub still prints about its own work",
    rule: oneOf(LOG_LEVELS),
  }),
  log_format: setting(z.enum(LOG_FORMATS).default("auto"), {
    description:
      "How those lines look: text, for people; journal, with priorities for systemd; json, one object a line; " +
      "auto, journal where systemd reads them and text elsewhere",
    rule: oneOf(LOG_FORMATS),
  }),
};

/** Where an address and a port is meant, or none. YAML 1.1 takes a bare `off` for a truth value. */
const listenAddress = z.preprocess(
  (value) => (value === false ? OFF : value),
  z
    .string()
    .refine((text) => text === OFF || parseListen(text) !== undefined)
    .default("127.0.0.1:8550"),
);

/** What the hub tells of itself. */
const controlShape = {
  http: section({
    listen: setting(listenAddress, {
      description: "Where health, metrics and status can be asked for over HTTP",
      rule: '"off", or an IP address and a port, such as 127.0.0.1:8550, "[::1]:8550" or, with a token_file, 0.0.0.0:8550',
    }),
    token_file: setting(optionalPath(), {
      description: "File with the token that has to be shown there (Authorization: Bearer); reread on SIGHUP",
      rule: "a path, or nothing",
      isPath: true,
    }),
  }),
};

/** What bounds a peer that is broken or hostile, and who may send. */
const networkShape = {
  allow: setting(networks, {
    description: "Addresses and networks that may send, such as [192.168.86.0/24, 10.0.0.7]; none: all may",
    rule: "a list of IP addresses and networks in CIDR notation",
  }),
  curve: section({
    server_key: setting(optionalPath(), {
      description: "File with the hub's own keys, as imagehub keygen makes it; none: no encryption",
      rule: "a path, or nothing",
      isPath: true,
    }),
    client_keys: setting(optionalPath(), {
      description: "Directory with the public keys (*.key) of those that may send; reread on SIGHUP",
      rule: "a path, or nothing",
      isPath: true,
    }),
  }),
  subscribe: setting(publishers, {
    description:
      "Cameras that bind a PUB socket (imagezmq with REQ_REP=False), such as [tcp://192.168.86.41:5566]; the hub " +
      "connects to each and keeps what comes. One with CURVE is {connect: tcp://HOST:PORT, server_key: ITS_PUBLIC_KEY}",
    rule: "a list of endpoints tcp://HOST:PORT, or groups of connect and server_key (40 characters, in quotes), none twice",
  }),
  max_message_bytes: setting(z.int().min(MESSAGE_BYTES_MIN).max(MESSAGE_BYTES_MAX).default(33_554_432), {
    description: "Longest frame of a message; a longer one is answered ERROR",
    rule: `a whole number from ${MESSAGE_BYTES_MIN} to ${MESSAGE_BYTES_MAX}`,
  }),
  max_text_bytes: setting(z.int().min(1).max(TEXT_BYTES_MAX).default(TEXT_BYTES_MAX), {
    description: "Longest text of an event",
    rule: `a whole number from 1 to ${TEXT_BYTES_MAX}`,
  }),
  max_name_bytes: setting(z.int().min(1).max(IMAGE_NAME_BYTES_MAX).default(IMAGE_NAME_BYTES_MAX), {
    description: "Longest name of a node and its view; what is longer is cut",
    rule: `a whole number from 1 to ${IMAGE_NAME_BYTES_MAX}`,
  }),
  max_connections: setting(z.int().min(1).max(CONNECTIONS_MAX).default(2000), {
    description: "Connections at once; further ones are closed",
    rule: `a whole number from 1 to ${CONNECTIONS_MAX}`,
  }),
  receive_hwm: setting(z.int().min(1).max(100_000).default(1000), {
    description:
      "Messages of each connection that libzmq holds until the hub takes them in. A camera sends one at a time",
    rule: "a whole number from 1 to 100000",
  }),
  max_unanswered: setting(z.int().min(1).max(QUEUE_IMAGES_MAX).default(32), {
    description:
      "Requests of one connection taken in and not yet answered, at most; further ones are answered ERROR. A camera has " +
      "one; a proxy in front of several has as many as they are",
    rule: `a whole number from 1 to ${QUEUE_IMAGES_MAX}`,
  }),
  max_queue_bytes: setting(z.int().min(MESSAGE_BYTES_MIN).max(QUEUE_BYTES_MAX).default(134_217_728), {
    description: "Bytes of images taken in and not yet written, at most; further ones are answered ERROR",
    rule: `a whole number from ${MESSAGE_BYTES_MIN} to ${QUEUE_BYTES_MAX}`,
  }),
  max_unfinished_bytes: setting(z.int().min(MESSAGE_BYTES_MIN).max(QUEUE_BYTES_MAX).default(536_870_912), {
    description:
      "Memory that messages which are still arriving may hold, of all connections together; when it is used up, the " +
      "connections that hold the most are closed. Also the longest frame that is answered at all",
    rule: `a whole number from ${MESSAGE_BYTES_MIN} to ${QUEUE_BYTES_MAX}`,
  }),
  handshake_timeout: setting(z.number().min(0.1).max(60).default(3), {
    description: "Seconds that a new connection has to greet as ZeroMQ does",
    rule: "a number from 0.1 to 60",
  }),
  heartbeat_interval: setting(z.number().min(0).max(3600).default(0), {
    description:
      "Seconds between two PINGs of ZeroMQ to a silent connection; 0: none. A PING makes cameras with libzmq 4.2 hang",
    rule: "a number from 0 to 3600",
  }),
  heartbeat_timeout: setting(z.number().min(0.1).max(3600).default(30), {
    description: "Seconds to wait for the answer to a PING before the connection is closed",
    rule: "a number from 0.1 to 3600",
  }),
  linger: setting(z.number().min(0).max(5).default(1), {
    description: "Seconds that replies have to leave the machine when the hub stops",
    rule: "a number from 0 to 5",
  }),
};

const allShape = { ...hubShape, ...networkShape, ...controlShape };

const hubSection = section(allShape);

/** The top-level key of imagehub.yaml that all settings stand under. */
export const ROOT_KEY = "hub";

/** The schema of a whole settings file. Unknown keys are refused at every level but the top, where blocks of other programs may stand. */
export const fileSchema = z.object({ [ROOT_KEY]: hubSection });

/** The settings as the hub uses them, by the names of the keys. `data_directory` is absolute once loaded. */
export type Settings = z.output<typeof hubSection>;

/** One setting, as the loader and the printer see it. */
export interface Setting extends Details {
  /** The keys that lead to it below {@link ROOT_KEY}, such as `["port"]`. */
  readonly path: readonly string[];
  /** The path with dots, such as `port`. */
  readonly name: string;
  /** The environment variable that sets it, such as `IMAGEHUB_PORT`. */
  readonly variable: string;
  /** The option of the command line that sets it, such as `--port`. */
  readonly option: string;
  /** Checks one value. `undefined` gives the default. */
  readonly type: z.ZodType;
}

/** What every environment variable of the hub starts with. */
export const VARIABLE_PREFIX = "IMAGEHUB_";

function listSettings(shape: Shape, above: readonly string[]): Setting[] {
  return Object.entries(shape).flatMap(([key, type]) => {
    const path = [...above, key];
    const inner = shapeOf.get(type);
    if (inner) return listSettings(inner, path);
    const details = detailsOf.get(type);
    if (!details) throw new Error(`Setting ${path.join(".")} has no description`);
    return [
      {
        option: `--${path.join("-").replaceAll("_", "-")}`,
        ...details,
        path,
        name: path.join("."),
        variable: VARIABLE_PREFIX + path.join("_").toUpperCase(),
        type,
      },
    ];
  });
}

/** All settings, in the order in which they are documented and printed. */
export const SETTINGS: readonly Setting[] = listSettings(allShape, []);

/** The settings as they are where nothing sets them; `data_directory` is still relative. */
export const defaultSettings = (): Settings => hubSection.parse({});

/** The publishers of the setting `subscribe`; `server_key` is empty where there is none. */
export function publishersIn({
  subscribe,
}: Settings): readonly { readonly connect: string; readonly server_key: string }[] {
  return subscribe.map((each) => (typeof each === "string" ? { connect: each, server_key: "" } : each));
}
