/**
 * The settings: their keys, defaults, rules and one-line descriptions. Nothing here reads a file or
 * the environment.
 *
 * To add a setting, add one entry to a shape below. Its environment variable, its name in messages
 * and its line in the printed settings follow from the key. The commented `imagehub.yaml` needs it
 * too, which a test checks.
 *
 * @module
 */

import { isIPv6 } from "node:net";
import * as z from "zod";
import { isBindable, isBindEndpoint, OFF, parseListen } from "../net/listen-address.ts";
import { parseNetwork } from "../net/access.ts";
import {
  CONNECTIONS_MAX,
  IMAGE_NAME_BYTES_MAX,
  EVENT_LOGS_DEFAULT,
  LINGER_SECONDS,
  QUEUE_IMAGES_MAX,
  TEXT_BYTES_MAX,
  WRITERS_MAX,
} from "../limits.ts";
import { bytesIn, perCentIn } from "./quantity.ts";
import { BUCKET, isEndpoint, KEY, NAME, ORDERS, REGION, STYLES } from "./replicate.ts";
import { VIEWED_HUB_PATHS, viewedHub } from "./view.ts";
import { NEWS, webhook, WEBHOOK_PATHS, WEBHOOK_SECRETS } from "./webhook.ts";

/** Longest `patience` and `silent_after`: a week. */
const PATIENCE_MINUTES_MAX = 7 * 24 * 60;

/** Longest time that a camera waits for the bucket, in seconds. */
const ACK_SECONDS_MAX = 300;

/** Longest time between two flushes to disk, in seconds. */
const SYNC_SECONDS_MAX = 3600;
/**
 * Shortest and longest limit for a frame, in bytes: a small JPEG must fit, and 1 GiB is more than
 * any camera makes.
 */
const MESSAGE_BYTES_MIN = 65_536;
const MESSAGE_BYTES_MAX = 1_073_741_824;
/** Largest value of `max_queue_bytes`: 64 GiB. */
const QUEUE_BYTES_MAX = 68_719_476_736;

/** Longest time to keep something, in days: a century. */
const KEEP_DAYS_MAX = 36_500;
/** Smallest value of `keep.min_free`, in bytes. */
const FREE_BYTES_MIN = 1_000_000;
/** Maximum entries in `cameras` and in `keep.cameras`. */
const CAMERA_RULES_MAX = 256;

const ARCHIVE_FORMATS = ["tree", "tar"] as const;
const ACKS = ["stored", "received", "synced", "replicated"] as const;
const UNLABELLED = ["ignore", "store"] as const;
const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
const LOG_FORMATS = ["auto", "text", "journal", "json"] as const;

/** What is known about a setting besides its type. */
interface Details {
  /** What it is for, in one line without a full stop. */
  readonly description: string;
  /** What a value must be; completes the sentence "must be …". */
  readonly rule: string;
  /** The command-line option that sets it, if that is not the key with dashes. */
  readonly option?: string;
  /** Whether the value is a path, made absolute on loading. */
  readonly isPath?: boolean;
  /** The same for a list of groups: the keys in them that are paths. */
  readonly pathKeys?: readonly string[];
  /** The keys in them that are URLs with secrets in them, which are not shown. */
  readonly secretKeys?: readonly string[];
  /** Whether the value is a secret, which is not shown. */
  readonly isSecret?: boolean;
}

type Shape = Readonly<Record<string, z.ZodType>>;

const detailsOf = new WeakMap<z.ZodType, Details>();
const shapeOf = new WeakMap<z.ZodType, Shape>();

function setting<T extends z.ZodType>(type: T, details: Details): T {
  detailsOf.set(type, details);
  return type;
}

/** A group of settings. If missing or empty, all of them have their defaults. */
function section<T extends Shape>(shape: T) {
  const type = z.preprocess((value) => value ?? {}, z.strictObject(shape)).prefault({});
  shapeOf.set(type, shape);
  return type;
}

const oneOf = (words: readonly string[]): string =>
  `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/**
 * Python takes 0, 1 and nothing for truth values, so files written for the Python hub may hold
 * them.
 */
const truth = z.preprocess(
  (value) => (value === 1 ? true : (value ?? 0) === 0 ? false : value),
  z.boolean(),
);

/** A path, or nothing. A new type each time, because each type is the key to its own details. */
const optionalPath = () =>
  z.preprocess(
    (value) => value ?? "",
    z
      .string()
      .regex(/^\P{Cc}*$/u)
      .default(""),
  );

/**
 * A list of addresses and networks. A string with one, or several with commas, also counts as a
 * list.
 */
const networks = z.preprocess(
  (value) =>
    typeof value === "string" ? value.split(/[\s,]+/).filter((part) => part !== "") : (value ?? []),
  z.array(z.string().refine((text) => parseNetwork(text) !== undefined)).default([]),
);

/** Maximum publishers that the hub connects to. */
const PUBLISHERS_MAX = 256;
/** A public key of CURVE in Z85 (ZeroMQ RFC 32). */
const Z85_KEY = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

const endpoint = z.string().refine((text) => {
  // libzmq accepts no other hosts.
  const [, address, port] =
    /^tcp:\/\/(?:\[([^\]]+)\]|[A-Za-z0-9][\w.-]*):(\d{1,5})$/.exec(text) ?? [];
  return (address === undefined || isIPv6(address)) && Number(port) >= 1 && Number(port) <= 65_535;
});

/**
 * A list of publishers, each an endpoint, or a group with its key. A string with one endpoint, or
 * several with commas, also counts as a list.
 */
const publishers = z.preprocess(
  (value) =>
    typeof value === "string" ? value.split(/[\s,]+/).filter((part) => part !== "") : (value ?? []),
  z
    .array(
      z.union([
        endpoint,
        z.strictObject({ connect: endpoint, server_key: z.string().regex(Z85_KEY) }),
      ]),
    )
    .max(PUBLISHERS_MAX)
    // With duplicates, each message would be stored twice.
    .refine(
      (all) =>
        new Set(all.map((each) => (typeof each === "string" ? each : each.connect))).size ===
        all.length,
    )
    .default([]),
);

/** A list of groups, each for the cameras that its `match` names. */
const camerasList = <T extends z.ZodType>(entry: T) =>
  z.preprocess((value) => value ?? [], z.array(entry).max(CAMERA_RULES_MAX).default([]));

/** The name of a camera or node, in which `*` stands for any characters. */
const pattern = z.string().regex(/^[^/\p{Cc}]+$/u);

/** How long a node may be silent, in minutes. */
const silenceRule = z.strictObject({
  match: pattern,
  silent_after: z.number().positive().max(PATIENCE_MINUTES_MAX),
});

const hubShape = {
  queuemax: setting(z.int().min(1).max(QUEUE_IMAGES_MAX).default(500), {
    description:
      "Maximum images waiting to be written, plus one per connection. Beyond this, " +
      "images are answered ERROR",
    rule: `a whole number from 1 to ${QUEUE_IMAGES_MAX}`,
  }),
  patience: setting(z.number().positive().max(PATIENCE_MINUTES_MAX).default(10), {
    description:
      "Minutes without a message before the hub logs a notice. The notice repeats at this interval",
    rule: `a number above 0, up to ${PATIENCE_MINUTES_MAX} (a week)`,
  }),
  cameras: setting(camerasList(silenceRule), {
    description:
      "Nodes whose silence the hub logs, such as [{match: Gate*, silent_after: 30}] for 30 minutes. " +
      "The first entry that matches a node counts",
    rule: `a list of groups of match (the name of a node; * stands for any characters) and silent_after (minutes above 0, up to ${PATIENCE_MINUTES_MAX}, a week)`,
  }),
  data_directory: setting(
    z
      .string()
      .regex(/^\P{Cc}+$/u)
      .default("imagehub_data"),
    {
      description: "Where images and event logs are stored",
      rule: "a path: absolute, relative to the directory of imagehub.yaml, or from the home directory with ~/",
      option: "--data",
      isPath: true,
    },
  ),
  max_images_write: setting(z.int().min(0).default(5000), {
    description:
      "Maximum images in one day's folder. Further images are answered OK but not stored",
    rule: "a whole number, 0 or more",
  }),
  print_settings: setting(truth.default(false), {
    description: "Print the settings at startup",
    rule: "true or false",
  }),
  port: setting(z.int().min(1).max(65_535).default(5555), {
    description: "TCP port that cameras send to",
    rule: "a whole number from 1 to 65535",
  }),
  bind: setting(z.string().refine(isBindable).default("*"), {
    description: "Address or interface to listen on",
    rule: '"*" (all interfaces), an IP address or the name of an interface',
  }),
  writers: setting(z.int().min(1).max(WRITERS_MAX).default(2), {
    description: "Number of threads that write images",
    rule: `a whole number from 1 to ${WRITERS_MAX}`,
  }),
  ack: setting(z.enum(ACKS).default("stored"), {
    description:
      "When the hub answers OK. stored: when the complete file has its final name. " +
      "synced: when the disk has confirmed it. received: at once, as the Python hub does. " +
      "replicated: when the bucket of replicate has it",
    rule: oneOf(ACKS),
  }),
  ack_timeout: setting(z.number().min(0.1).max(ACK_SECONDS_MAX).default(0.8), {
    description:
      "With ack replicated: seconds that a camera waits for the bucket. After this, it is answered " +
      "ERROR, and what it sent is copied later. imagenode waits a second",
    rule: `a number from 0.1 to ${ACK_SECONDS_MAX}`,
  }),
  sync_interval: setting(z.number().min(0.1).max(SYNC_SECONDS_MAX).default(1), {
    description:
      "Seconds between flushes to disk in the background. A power cut loses about this much",
    rule: `a number from 0.1 to ${SYNC_SECONDS_MAX}`,
  }),
  jpeg_quality: setting(z.int().min(1).max(100).default(95), {
    description:
      "Quality of JPEG files made from raw images. Images that arrive as JPEG are stored unchanged",
    rule: "a whole number from 1 to 100",
  }),
  unlabelled: setting(z.enum(UNLABELLED).default("ignore"), {
    description:
      "What to do with an image whose text has no |, such as a bare host name. ignore: " +
      "answer OK and do not store it, as the Python hub does. store: use the text as the " +
      "node's name",
    rule: oneOf(UNLABELLED),
  }),
  log_level: setting(z.enum(LOG_LEVELS).default("info"), {
    description: "Least important messages to log",
    rule: oneOf(LOG_LEVELS),
  }),
  log_format: setting(z.enum(LOG_FORMATS).default("auto"), {
    description:
      "Format of log lines. text: for people. journal: with priorities, for systemd. " +
      "json: one object per line. auto: journal under systemd, otherwise text",
    rule: oneOf(LOG_FORMATS),
  }),
};

/** Levels of an MQTT topic. */
const TOPIC = /^[^+#\p{Cc}/]+(?:\/[^+#\p{Cc}/]+)*$/u;

/** A password in a URL would be shown with the settings. */
const mqttUrl = z
  .url({ protocol: /^mqtts?$/ })
  .refine((text) => /^mqtts?:\/\/[^/@?#]+$/.test(text));

/** An address with a port, or `off`. YAML 1.1 takes a bare `off` for a truth value. */
const listenAddress = z.preprocess(
  (value) => (value === false ? OFF : value),
  z
    .string()
    .refine((text) => text === OFF || parseListen(text) !== undefined)
    .default("127.0.0.1:8550"),
);

/** Settings of the HTTP listener. */
const controlShape = {
  http: section({
    listen: setting(listenAddress, {
      description: "Address of the HTTP listener: the page, the API, health and metrics",
      rule: '"off", or an IP address and a port, such as 127.0.0.1:8550, "[::1]:8550" or, with a token_file, 0.0.0.0:8550',
    }),
    token_file: setting(optionalPath(), {
      description:
        "File with the token that HTTP clients must send (Authorization: Bearer). Read again on SIGHUP",
      rule: "a path, or nothing",
      isPath: true,
    }),
    tls: section({
      certificate: setting(optionalPath(), {
        description:
          "File with the certificate of the HTTP listener, in PEM. Empty: no encryption. Read again on SIGHUP",
        rule: "a path, or nothing",
        isPath: true,
      }),
      key: setting(optionalPath(), {
        description: "File with the key of this certificate. Read again on SIGHUP",
        rule: "a path, or nothing",
        isPath: true,
      }),
    }),
  }),
};

/** Who may send, and limits for broken or hostile peers. */
const networkShape = {
  allow: setting(networks, {
    description:
      "Addresses and networks that may send, such as [192.168.86.0/24, 10.0.0.7]. Empty: " +
      "everyone may send",
    rule: "a list of IP addresses and networks in CIDR notation",
  }),
  curve: section({
    server_key: setting(optionalPath(), {
      description: "File with the hub's key pair, made by imagehub keygen. Empty: no encryption",
      rule: "a path, or nothing",
      isPath: true,
    }),
    client_keys: setting(optionalPath(), {
      description:
        "Directory with the public keys (*.key) of nodes that may send. Read again on SIGHUP",
      rule: "a path, or nothing",
      isPath: true,
    }),
  }),
  subscribe: setting(publishers, {
    description:
      "Cameras that bind a PUB socket (imagezmq with REQ_REP=False), such as " +
      "[tcp://192.168.86.41:5566]. The hub connects to each and stores what it sends. " +
      "With CURVE: {connect: tcp://HOST:PORT, server_key: PUBLIC_KEY}",
    rule: "a list of endpoints tcp://HOST:PORT, or groups of connect and server_key (40 characters, in quotes), without duplicates",
  }),
  max_message_bytes: setting(
    z.int().min(MESSAGE_BYTES_MIN).max(MESSAGE_BYTES_MAX).default(33_554_432),
    {
      description: "Maximum size of one frame in bytes. A larger frame is answered ERROR",
      rule: `a whole number from ${MESSAGE_BYTES_MIN} to ${MESSAGE_BYTES_MAX}`,
    },
  ),
  max_text_bytes: setting(z.int().min(1).max(TEXT_BYTES_MAX).default(TEXT_BYTES_MAX), {
    description: "Maximum length of an event's text in bytes",
    rule: `a whole number from 1 to ${TEXT_BYTES_MAX}`,
  }),
  max_name_bytes: setting(z.int().min(1).max(IMAGE_NAME_BYTES_MAX).default(IMAGE_NAME_BYTES_MAX), {
    description: "Maximum length of node and view in a file name, in bytes. Longer names are cut",
    rule: `a whole number from 1 to ${IMAGE_NAME_BYTES_MAX}`,
  }),
  max_connections: setting(z.int().min(1).max(CONNECTIONS_MAX).default(2000), {
    description: "Maximum number of connections. Beyond this, connections are closed",
    rule: `a whole number from 1 to ${CONNECTIONS_MAX}`,
  }),
  receive_hwm: setting(z.int().min(1).max(100_000).default(1000), {
    description:
      "Maximum messages per connection that libzmq holds before the hub reads them. A " +
      "camera sends one at a time",
    rule: "a whole number from 1 to 100000",
  }),
  max_unanswered: setting(z.int().min(1).max(QUEUE_IMAGES_MAX).default(32), {
    description:
      "Maximum unanswered requests per connection. Further requests are answered ERROR. " +
      "A camera has one, a proxy has one for each camera behind it",
    rule: `a whole number from 1 to ${QUEUE_IMAGES_MAX}`,
  }),
  max_queue_bytes: setting(
    z.int().min(MESSAGE_BYTES_MIN).max(QUEUE_BYTES_MAX).default(134_217_728),
    {
      description:
        "Maximum bytes of images waiting to be written. Beyond this, images are answered ERROR",
      rule: `a whole number from ${MESSAGE_BYTES_MIN} to ${QUEUE_BYTES_MAX}`,
    },
  ),
  max_unfinished_bytes: setting(
    z.int().min(MESSAGE_BYTES_MIN).max(QUEUE_BYTES_MAX).default(536_870_912),
    {
      description:
        "Maximum bytes of messages that are still arriving, over all connections. Beyond " +
        "this, the connections that hold the most are closed. Also the largest frame that " +
        "gets an answer",
      rule: `a whole number from ${MESSAGE_BYTES_MIN} to ${QUEUE_BYTES_MAX}`,
    },
  ),
  handshake_timeout: setting(z.number().min(0.1).max(60).default(3), {
    description: "Seconds a new connection has to complete the ZeroMQ handshake",
    rule: "a number from 0.1 to 60",
  }),
  heartbeat_interval: setting(z.number().min(0).max(3600).default(0), {
    description:
      "Seconds between ZeroMQ PINGs to a silent connection. 0: no PINGs. A PING makes " +
      "cameras with libzmq 4.2 hang",
    rule: "a number from 0 to 3600",
  }),
  heartbeat_timeout: setting(z.number().min(0.1).max(3600).default(30), {
    description: "Seconds to wait for the answer to a PING before closing the connection",
    rule: "a number from 0.1 to 3600",
  }),
  linger: setting(z.number().min(0).max(5).default(LINGER_SECONDS), {
    description: "Seconds that the last replies have to leave the machine when the hub stops",
    rule: "a number from 0 to 5",
  }),
};

/** An amount of bytes; 0 or nothing: no limit. */
const bytes = () =>
  z.preprocess(
    (value) => value ?? 0,
    z.union([z.string(), z.number()]).refine((value) => bytesIn(value) !== undefined),
  );

const days = () => z.int().min(0).max(KEEP_DAYS_MAX);

/** A 5 that was meant as 5 % is none. */
function isFreeSpace(count: number | undefined): boolean {
  return count === 0 || (count ?? 0) >= FREE_BYTES_MIN;
}

/** Limits of the cameras that a pattern matches. */
const cameraRule = z.strictObject({
  match: pattern,
  days: days().optional(),
  max_bytes: bytes().default(0),
});

/** What is kept, and for how long. */
const keepShape = {
  keep: section({
    days: setting(days().default(0), {
      description: "Images older than this many days are deleted. 0: no limit",
      rule: `a whole number from 0 to ${KEEP_DAYS_MAX}`,
    }),
    event_days: setting(days().default(EVENT_LOGS_DEFAULT), {
      description:
        "Event logs older than this many days are deleted. 0: no limit. The default keeps the " +
        `newest ${EVENT_LOGS_DEFAULT} logs, as the Python hub does`,
      rule: `a whole number from 0 to ${KEEP_DAYS_MAX}`,
    }),
    max_bytes: setting(bytes().default(0), {
      description:
        "Maximum size of all images together, such as 200 GB. Beyond this, the oldest are " +
        "deleted. 0: no limit",
      rule: "a number of bytes, or one with a unit, such as 200 GB or 1.5 TB",
    }),
    min_free: setting(
      z.preprocess(
        (value) => value ?? 0,
        z
          .union([z.string(), z.number()])
          .refine((value) => perCentIn(value) !== undefined || isFreeSpace(bytesIn(value)))
          .default(0),
      ),
      {
        description:
          "Free space to keep on the disk, such as 5 % or 20 GB. Below this, the oldest images " +
          "are deleted. 0: none",
        rule: "a percentage such as 5 %, a number of bytes from 1 MB, or one with a unit, such as 20 GB",
      },
    ),
    min_days: setting(days().default(1), {
      description:
        "The latest days, whose images no rule deletes; today is the first. 0: even images of " +
        "today may be deleted, hour by hour",
      rule: `a whole number from 0 to ${KEEP_DAYS_MAX}`,
    }),
    cameras: setting(camerasList(cameraRule), {
      description:
        "Limits for single cameras, such as [{match: Barn*, days: 7, max_bytes: 20 GB}]. The " +
        "first entry that matches a camera counts, for each camera on its own",
      rule: "a list of groups of match (the name of a camera; * stands for any characters), days and max_bytes",
    }),
  }),
  archive: section({
    directory: setting(optionalPath(), {
      description:
        "Where days that are over are copied to, such as a NAS or a USB disk. Empty: no archive",
      rule: "a path, or nothing",
      isPath: true,
    }),
    after_days: setting(z.int().min(1).max(KEEP_DAYS_MAX).default(1), {
      description: "Age at which a day is archived, in days. 1: when it is over",
      rule: `a whole number from 1 to ${KEEP_DAYS_MAX}`,
    }),
    format: setting(z.enum(ARCHIVE_FORMATS).default("tree"), {
      description: "Form of the archive. tree: files in folders as here. tar: one file for a day",
      rule: oneOf(ARCHIVE_FORMATS),
    }),
    required: setting(truth.default(true), {
      description: "Whether only archived images may be deleted, if there is an archive",
      rule: "true or false",
    }),
  }),
};

/** Most entries of `webhooks`. */
const WEBHOOKS_MAX = 32;

/** A port to bind: like `bind` and `port` in one. */
const bindEndpoint = () =>
  z.preprocess(
    (value) => (value === false ? OFF : value),
    z
      .string()
      .refine((text) => text === OFF || isBindEndpoint(text))
      .default(OFF),
  );

const BIND_RULE = "off, or tcp://HOST:PORT with an address or interface of this machine or *";

/** Who is told what is stored. */
const tellShape = {
  mqtt: section({
    url: setting(
      z.preprocess((value) => value ?? "", z.union([z.literal(""), mqttUrl]).default("")),
      {
        description: "MQTT broker to tell, such as mqtt://192.168.86.10. Empty: none",
        rule: "a URL mqtt://HOST, mqtts://HOST (with TLS), each with :PORT if need be, without user and password; or nothing",
      },
    ),
    user: setting(
      z.preprocess((value) => value ?? "", z.string().default("")),
      { description: "Name to log in with", rule: "a text, or nothing" },
    ),
    password_file: setting(optionalPath(), {
      description: "File with the password",
      rule: "a path, or nothing",
      isPath: true,
    }),
    ca: setting(optionalPath(), {
      description:
        "File with the certificate of the authority that signed the broker's, in PEM. Empty: those that the system knows",
      rule: "a path, or nothing",
      isPath: true,
    }),
    certificate: setting(optionalPath(), {
      description: "File with the hub's own certificate for the broker, in PEM",
      rule: "a path, or nothing",
      isPath: true,
    }),
    key: setting(optionalPath(), {
      description: "File with the key of this certificate",
      rule: "a path, or nothing",
      isPath: true,
    }),
    topic: setting(z.string().regex(TOPIC).default("imagehub/<name>"), {
      description: "Beginning of all topics. <name> stands for the name of the machine",
      rule: "levels separated by /, without + and #",
    }),
    discovery: setting(
      z.preprocess(
        (value) => (value === false ? OFF : value),
        z.string().regex(TOPIC).default("homeassistant"),
      ),
      {
        description: "Beginning of the topics by which Home Assistant finds the cameras. off: none",
        rule: "levels separated by /, without + and #; or off",
      },
    ),
    image_interval: setting(z.number().min(0).max(86_400).default(1), {
      description: "Least seconds between two images of a camera",
      rule: "a number from 0 to 86400",
    }),
  }),
  publish: setting(bindEndpoint(), {
    description:
      "Where all that is stored is published again for imagezmq's subscribers, such as tcp://*:5556. off: nowhere",
    rule: BIND_RULE,
  }),
  publish_topics: setting(bindEndpoint(), {
    description:
      "The same with the camera's name as an additional first frame, for subscribers that want some cameras only",
    rule: BIND_RULE,
  }),
  webhooks: setting(
    z.preprocess((value) => value ?? [], z.array(webhook).max(WEBHOOKS_MAX).default([])),
    {
      description:
        "Addresses that get an HTTP request when something happens, such as [{url: https://ntfy.example/farm, on: [silent, disk, health]}]",
      rule:
        `a list of groups of url (http:// or https://) or url_file, on (a list of ${NEWS.join(", ")}), and as wanted ` +
        "match (a camera's name with *), text (part of an event's text), header_file, secret_file, template and ca",
      pathKeys: WEBHOOK_PATHS,
      secretKeys: WEBHOOK_SECRETS,
    },
  ),
};

/** Most puts beside each other. */
const PARALLEL_MAX = 64;

/** A text that fits, or nothing. */
const optionalText = (text: z.ZodString) =>
  z.preprocess((value) => value ?? "", z.union([z.literal(""), text]).default(""));

/** Where everything is copied to while it comes. */
const replicateShape = {
  replicate: section({
    endpoint: setting(optionalText(z.string().refine(isEndpoint)), {
      description:
        "S3 store that gets a copy of everything, such as https://s3.example.com. Empty: none",
      rule: "a URL https://HOST or http://HOST, with :PORT if need be, and no path; or nothing",
    }),
    bucket: setting(optionalText(z.string().regex(BUCKET)), {
      description: "Bucket in this store. It must exist",
      rule: "a name of 3 to 63 small letters, digits, - and ., or nothing",
    }),
    region: setting(z.string().regex(REGION).default("us-east-1"), {
      description: "Region that the store belongs to. Many stores take any",
      rule: "a name such as eu-west-1, of letters, digits, _ and -",
    }),
    name: setting(z.string().regex(NAME).default("<name>"), {
      description:
        "Folder of this hub in the bucket, which no other hub may have. <name> stands for the name of the machine",
      rule: "1 to 64 letters, digits, -, _ and . that do not begin with a dot",
    }),
    access_key: setting(optionalText(z.string().regex(KEY)), {
      description: "Access key of the bucket",
      rule: "a text of up to 256 characters without spaces, or nothing",
    }),
    secret_key: setting(optionalText(z.string().regex(KEY)), {
      description: "Secret key that belongs to it. Better in key_file",
      rule: "a text of up to 256 characters without spaces, or nothing",
      isSecret: true,
    }),
    key_file: setting(optionalPath(), {
      description: "File with the access key in its first line and the secret key in its second",
      rule: "a path, or nothing",
      isPath: true,
    }),
    style: setting(z.enum(STYLES).default("path"), {
      description:
        "How addresses name the bucket. path: https://HOST/BUCKET. host: https://BUCKET.HOST, which Amazon wants",
      rule: oneOf(STYLES),
    }),
    ca: setting(optionalPath(), {
      description:
        "File with the certificate of the authority that signed the store's, in PEM. Empty: those that the system knows",
      rule: "a path, or nothing",
      isPath: true,
    }),
    parallel: setting(z.int().min(1).max(PARALLEL_MAX).default(8), {
      description: "Images that are on their way to the store at a time",
      rule: `a whole number from 1 to ${PARALLEL_MAX}`,
    }),
    bandwidth: setting(bytes().default(0), {
      description: "Most bytes to send in a second, such as 2 MB. 0: no limit",
      rule: "a number of bytes, or one with a unit, such as 2 MB",
    }),
    order: setting(z.enum(ORDERS).default("newest"), {
      description: "What is copied first if much is waiting: the newest images or the oldest",
      rule: oneOf(ORDERS),
    }),
    required: setting(truth.default(true), {
      description: "Whether keep deletes only what is in the bucket",
      rule: "true or false",
    }),
  }),
};

/** Most entries of `view.hubs`. */
const VIEWED_HUBS_MAX = 256;

/** What `imagehub view` needs besides the bucket under `replicate`. */
const viewShape = {
  view: section({
    hubs: setting(
      z.preprocess(
        (value) => value ?? [],
        z
          .array(viewedHub)
          .max(VIEWED_HUBS_MAX)
          .refine((all) => new Set(all.map(({ name }) => name)).size === all.length)
          .default([]),
      ),
      {
        description:
          "Hubs that imagehub view shows live, such as [{name: north, url: https://north.example:8550, token_file: north.token}]",
        rule:
          "a list of groups of name (replicate.name of that hub, each once), url (http:// or https://), and as wanted " +
          "token_file (with that hub's HTTP token) and ca",
        pathKeys: VIEWED_HUB_PATHS,
      },
    ),
  }),
};

const allShape = {
  ...hubShape,
  ...keepShape,
  ...networkShape,
  ...controlShape,
  ...tellShape,
  ...replicateShape,
  ...viewShape,
};

const hubSection = section(allShape);

/** The top-level key of imagehub.yaml; all settings are under it. */
export const ROOT_KEY = "hub";

/**
 * The schema of a whole settings file. Unknown keys are refused, except at the top, where blocks of
 * other programs may stand.
 */
export const fileSchema = z.object({ [ROOT_KEY]: hubSection });

/** The settings as the hub uses them, by key. `data_directory` is absolute after loading. */
export type Settings = z.output<typeof hubSection>;

/** One setting, as the loader and the printer see it. */
export interface Setting extends Details {
  /** The keys below {@link ROOT_KEY} that lead to it, such as `["port"]`. */
  readonly path: readonly string[];
  /** The path with dots, such as `port`. */
  readonly name: string;
  /** The environment variable that sets it, such as `IMAGEHUB_PORT`. */
  readonly variable: string;
  /** The command-line option that sets it, such as `--port`. */
  readonly option: string;
  /** Checks one value. `undefined` gives the default. */
  readonly type: z.ZodType;
}

/** The prefix of every environment variable of the hub. */
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

/** All settings, in the order of the documentation. */
export const SETTINGS: readonly Setting[] = listSettings(allShape, []);

/** The settings if nothing sets them; `data_directory` is still relative. */
export const defaultSettings = (): Settings => hubSection.parse({});

/** The publishers of the setting `subscribe`; `server_key` is empty without a key. */
export function publishersIn({
  subscribe,
}: Settings): readonly { readonly connect: string; readonly server_key: string }[] {
  return subscribe.map((each) =>
    typeof each === "string" ? { connect: each, server_key: "" } : each,
  );
}
