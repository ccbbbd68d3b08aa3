import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LoadRequest, loadSettings } from "../../src/config/load.ts";
import { EXIT, FatalError } from "../../src/errors.ts";
import { tempDir } from "../support/machine/temp.ts";

type Request = Partial<LoadRequest>;

/** Loads settings from a file with this content, in its own directory. */
function load(content: string | Uint8Array, request: Request = {}) {
  using directory = tempDir();
  writeFileSync(join(directory.path, "imagehub.yaml"), content);
  const env = { HOME: "/nowhere", ...request.env };
  const loaded = loadSettings({ cwd: "/current", ...request, path: directory.path, env });
  return { ...loaded, directory: directory.path };
}

/** The loader's message, with `DIR` for the directory of the test. */
function refusal(action: () => unknown, directory = ""): string[] {
  try {
    action();
  } catch (error) {
    if (!(error instanceof FatalError)) throw error;
    expect(error.status).toBe(EXIT.config);
    return (directory ? error.message.replaceAll(directory, "DIR") : error.message).split("\n");
  }
  throw new Error("It was not refused");
}

function refusalOf(content: string | Uint8Array, request: Request = {}): string[] {
  using directory = tempDir();
  writeFileSync(join(directory.path, "imagehub.yaml"), content);
  const env = { HOME: "/nowhere", ...request.env };
  return refusal(() => loadSettings({ ...request, path: directory.path, env }), directory.path);
}

const DEFAULTS = {
  queuemax: 500,
  patience: 10,
  cameras: [] as never[],
  max_images_write: 5000,
  print_settings: false,
  port: 5555,
  bind: "*",
  writers: 2,
  ack: "stored",
  ack_timeout: 0.8,
  sync_interval: 1,
  jpeg_quality: 95,
  unlabelled: "ignore",
  log_level: "info",
  log_format: "auto",
  keep: {
    days: 0,
    event_days: 995,
    max_bytes: 0,
    min_free: 0,
    min_days: 1,
    cameras: [] as never[],
  },
  archive: { directory: "", after_days: 1, format: "tree", required: true },
  allow: [] as string[],
  curve: { server_key: "", client_keys: "" },
  subscribe: [] as string[],
  max_message_bytes: 33_554_432,
  max_text_bytes: 4096,
  max_name_bytes: 224,
  max_connections: 2000,
  receive_hwm: 1000,
  max_unanswered: 32,
  max_queue_bytes: 134_217_728,
  max_unfinished_bytes: 536_870_912,
  handshake_timeout: 3,
  heartbeat_interval: 0,
  heartbeat_timeout: 30,
  linger: 1,
  http: { listen: "127.0.0.1:8550", token_file: "", tls: { certificate: "", key: "" } },
  mqtt: {
    url: "",
    user: "",
    password_file: "",
    ca: "",
    certificate: "",
    key: "",
    topic: "imagehub/<name>",
    discovery: "homeassistant",
    image_interval: 1,
  },
  publish: "off",
  publish_topics: "off",
  webhooks: [] as never[],
  replicate: {
    endpoint: "",
    bucket: "",
    region: "us-east-1",
    name: "<name>",
    access_key: "",
    secret_key: "",
    key_file: "",
    style: "path",
    ca: "",
    parallel: 8,
    bandwidth: 0,
    order: "newest",
    required: true,
  },
  view: { hubs: [] as { name: string; url: string }[] },
} as const;

/** So deep that its aliases would expand to 9^9 values. */
const BOMB = ["a: &a [x,x,x,x,x,x,x,x,x]"]
  .concat(
    Array.from(
      "bcdefghi",
      (name, index) => `${name}: &${name} [${`*${"abcdefghi"[index]},`.repeat(9)}]`,
    ),
  )
  .join("\n");

const PORT_RULE = "must be a whole number from 1 to 65535";
const BIND_RULE = 'must be "*" (all interfaces), an IP address or the name of an interface';
const PATH_RULE =
  "must be a path: absolute, relative to the directory of imagehub.yaml, or from the home directory with ~/";
const SILENCE_RULE =
  "hub.cameras must be a list of groups of match (the name of a node; * stands for any characters) and silent_after (minutes above 0, up to 10080, a week)";
const CAMERAS_RULE =
  "hub.keep.cameras must be a list of groups of match (the name of a camera; * stands for any characters), days and max_bytes";
const SUBSCRIBE_RULE =
  "must be a list of endpoints tcp://HOST:PORT, or groups of connect and server_key (40 characters, in quotes), without duplicates";
const WEBHOOKS_RULE =
  "hub.webhooks must be a list of groups of url (http:// or https://) or url_file, on (a list of event, image, silent, disk, health, start), and as wanted match (a camera's name with *), text (part of an event's text), header_file, secret_file, template and ca";
const F = "DIR/imagehub.yaml";
const MISSING = "hub: is missing; write every setting under it";
const ALIGN =
  "settings of one group must begin in the same column, those under hub: after two spaces";
const FOREIGN =
  "if it belongs to another program, move it and everything under it to the beginning of the line";

describe("loadSettings refuses", () => {
  const table: [name: string, yaml: string | Uint8Array, messages: string[]][] = [
    [
      "an unknown key",
      "hub:\n  quemax: 5\n",
      [`${F}:2: hub.quemax is not a setting; did you mean hub.queuemax?`],
    ],
    [
      "a key in other case",
      "hub:\n  Port: 5\n",
      [`${F}:2: hub.Port is not a setting; did you mean hub.port?`],
    ],
    [
      "a limit with another unit",
      "hub:\n  keep:\n    max_bytes: 200 GX\n",
      [
        `${F}:3: hub.keep.max_bytes is "200 GX", must be a number of bytes, or one with a unit, such as 200 GB or 1.5 TB`,
      ],
    ],
    [
      "a part of all images",
      "hub:\n  keep:\n    max_bytes: 5 %\n",
      [
        `${F}:3: hub.keep.max_bytes is "5 %", must be a number of bytes, or one with a unit, such as 200 GB or 1.5 TB`,
      ],
    ],
    [
      "a limit below what is never deleted",
      "hub:\n  keep:\n    days: 3\n    min_days: 7\n",
      [
        `${F}:3: hub.keep.days is 3, but hub.keep.min_days keeps 7 days: raise days or lower min_days`,
      ],
    ],
    [
      "a node without a time",
      'hub:\n  cameras:\n    - { match: "Gate*" }\n',
      [`${F}:3: hub.cameras.0.silent_after is missing; ${SILENCE_RULE}`],
    ],
    [
      "a node that may never be silent",
      'hub:\n  cameras:\n    - { match: "Gate*", silent_after: 0 }\n',
      [`${F}:3: hub.cameras.0.silent_after is 0; ${SILENCE_RULE}`],
    ],
    [
      "a node that may be silent for more than a week",
      'hub:\n  cameras:\n    - { match: "Gate*", silent_after: 10081 }\n',
      [`${F}:3: hub.cameras.0.silent_after is 10081; ${SILENCE_RULE}`],
    ],
    [
      "a camera's limits without a camera",
      "hub:\n  keep:\n    cameras:\n      - { days: 3 }\n",
      [`${F}:4: hub.keep.cameras.0.match is missing; ${CAMERAS_RULE}`],
    ],
    [
      "a limit of a camera that is none",
      'hub:\n  keep:\n    cameras:\n      - { match: "Barn*", day: 3 }\n',
      [`${F}:4: hub.keep.cameras.0.day is not known; ${CAMERAS_RULE}`],
    ],
    [
      "a camera's limit below what is never deleted",
      'hub:\n  keep:\n    min_days: 7\n    cameras:\n      - { match: "Barn*", days: 3 }\n',
      [
        `${F}:4: hub.keep.cameras: days of Barn* is 3, but hub.keep.min_days keeps 7 days: raise days or lower min_days`,
      ],
    ],
    [
      "an archive in the data directory",
      "hub:\n  data_directory: /srv/data\n  archive:\n    directory: /srv/data/old\n",
      [
        "hub.archive.directory is /srv/data/old, which must be apart from the data directory /srv/data",
      ],
    ],
    ["a key like no other", "hub:\n  colour: 5\n", [`${F}:2: hub.colour is not a setting`]],
    ["a key of odd letters", 'hub:\n  "a b\\n": 5\n', [`${F}:2: hub."a b\\n" is not a setting`]],
    [
      "__proto__",
      "hub:\n  __proto__: {port: 1}\n",
      [`${F}:2: hub.__proto__ is not a setting; ${FOREIGN}`],
    ],
    [
      "a whole number too large",
      "hub:\n\n\n  port: 70000\n",
      [`${F}:4: hub.port is 70000, ${PORT_RULE}`],
    ],
    ["a whole number too small", "hub:\n  port: 0x0\n", [`${F}:2: hub.port is 0x0, ${PORT_RULE}`]],
    ["a fraction", "hub:\n  port: 80.5\n", [`${F}:2: hub.port is 80.5, ${PORT_RULE}`]],
    ["a number in quotes", "hub:\n  port: '80'\n", [`${F}:2: hub.port is "80", ${PORT_RULE}`]],
    [
      "a truth value for a number",
      "hub:\n  port: yes\n",
      [`${F}:2: hub.port is yes, ${PORT_RULE}`],
    ],
    ["infinity", "hub:\n  port: .inf\n", [`${F}:2: hub.port is .inf, ${PORT_RULE}`]],
    ["no value", "hub:\n  port:\n", [`${F}:2: hub.port has no value, ${PORT_RULE}`]],
    ["a list", "hub:\n  port: [1]\n", [`${F}:2: hub.port is a list, ${PORT_RULE}`]],
    ["a group", "hub:\n  port:\n    x: 1\n", [`${F}:2: hub.port is a group of keys, ${PORT_RULE}`]],
    [
      "a patience of 0",
      "hub:\n  patience: 0\n",
      [`${F}:2: hub.patience is 0, must be a number above 0, up to 10080 (a week)`],
    ],
    [
      "a negative cap",
      "hub:\n  max_images_write: -1\n",
      [`${F}:2: hub.max_images_write is -1, must be a whole number, 0 or more`],
    ],
    [
      "an unknown word",
      "hub:\n  ack: sotred\n",
      [`${F}:2: hub.ack is "sotred", must be stored, received, synced or replicated`],
    ],
    [
      "a word for a truth value",
      'hub:\n  print_settings: "no"\n',
      [`${F}:2: hub.print_settings is "no", must be true or false`],
    ],
    [
      "a number for a path",
      "hub:\n  data_directory: 2021\n",
      [`${F}:2: hub.data_directory is 2021, ${PATH_RULE}`],
    ],
    [
      "an empty path",
      "hub:\n  data_directory: ''\n",
      [`${F}:2: hub.data_directory is "", ${PATH_RULE}`],
    ],
    [
      "a path with a zero byte",
      'hub:\n  data_directory: "a\\0b"\n',
      [`${F}:2: hub.data_directory is "a\\u0000b", ${PATH_RULE}`],
    ],
    ...[
      "5566",
      "ipc:///tmp/x",
      "tcp://küche:1",
      "tcp://[::zz]:1",
      "tcp://*:5566",
      "tcp://host",
      "tcp://host:0",
      "tcp://host:70000",
    ].map((wrong): [string, string, string[]] => [
      `${wrong} for a publisher`,
      `hub:\n  subscribe: ["${wrong}"]\n`,
      [`${F}:2: hub.subscribe.0 is "${wrong}", ${SUBSCRIBE_RULE}`],
    ]),
    [
      "a publisher's key that is none",
      "hub:\n  subscribe:\n    - {connect: tcp://a:1, server_key: short}\n",
      [`${F}:3: hub.subscribe.0.server_key is "short"; hub.subscribe ${SUBSCRIBE_RULE}`],
    ],
    [
      "a webhook's URL of another kind, without showing it",
      "hub:\n  webhooks:\n    - url: htps://a/SECRET\n      on: start\n",
      [`${F}:3: hub.webhooks.0.url is wrong; ${WEBHOOKS_RULE}`],
    ],
    [
      "a webhook's URL as check shows it",
      "hub:\n  webhooks: [{url: https://a/…, on: start}]\n",
      [`${F}:2: hub.webhooks.0.url is wrong; ${WEBHOOKS_RULE}`],
    ],
    [
      "a webhook without a URL",
      "hub:\n  webhooks:\n    - on: start\n",
      [`${F}:3: hub.webhooks.0.url is missing; ${WEBHOOKS_RULE}`],
    ],
    [
      "a webhook with two",
      "hub:\n  webhooks:\n    - on: start\n      url: https://a/SECRET\n      url_file: b\n",
      [`${F}:4: hub.webhooks.0.url is wrong; ${WEBHOOKS_RULE}`],
    ],
    [
      "a webhook that is only a URL, without showing it",
      "hub:\n  webhooks:\n    - https://a/SECRET\n",
      [
        `${F}:3: hub.webhooks.0 is wrong, must be ${WEBHOOKS_RULE.slice("hub.webhooks must be ".length)}`,
      ],
    ],
    [
      "a webhook for nothing, for what does not happen, for a word and for a list of them",
      "hub:\n  webhooks:\n    - url: https://a\n    - {url: https://a, on: silnt}\n    - url: https://a\n      on: [event, images]\n    - {url: https://a, on: true}\n",
      [
        `${F}:3: hub.webhooks.0.on is missing; ${WEBHOOKS_RULE}`,
        `${F}:4: hub.webhooks.1.on is "silnt"; ${WEBHOOKS_RULE}`,
        `${F}:6: hub.webhooks.2.on.1 is "images"; ${WEBHOOKS_RULE}`,
        `${F}:7: hub.webhooks.3.on is true; ${WEBHOOKS_RULE}`,
      ],
    ],
    [
      "half an address",
      "hub:\n  bind: 192.168.1\n",
      [`${F}:2: hub.bind is "192.168.1", ${BIND_RULE}`],
    ],
    [
      "an endpoint to bind",
      "hub:\n  bind: tcp://0.0.0.0\n",
      [`${F}:2: hub.bind is "tcp://0.0.0.0", ${BIND_RULE}`],
    ],
    [
      "a long value, cut",
      `hub:\n  ack: ${"x".repeat(70)}\n`,
      [`${F}:2: hub.ack is "${"x".repeat(60)}…", must be stored, received, synced or replicated`],
    ],
    [
      "a key twice",
      "hub:\n  port: 1\n  bind: '*'\n  port: 2\n",
      [`${F}:4: hub.port is set twice, first in line 2`],
    ],
    [
      "hub twice",
      "hub:\n  port: 1\nhub:\n  port: 2\n",
      [`${F}:3: hub is set twice, first in line 1`],
    ],
    [
      "a bad value behind an alias",
      "hub:\n  writers: &n 70\n  port: *n\n",
      [`${F}:2: hub.writers is 70, must be a whole number from 1 to 64`],
    ],
    [
      "a bad value of a merge",
      "hub:\n  <<: {port: 0}\n",
      [`${F}:1: hub.port is set by a merge, ${PORT_RULE}`],
    ],
    ["no hub", "---\n", [`${F}:1: ${MISSING}`]],
    ["an empty file", "", [`${F}:1: ${MISSING}`]],
    ["comments alone", "# hub:\n", [`${F}:1: ${MISSING}`]],
    [
      "settings without hub",
      "port: 80\n",
      [`${F}:1: ${MISSING}`, `${F}:1: port is not a setting; did you mean hub.port?`],
    ],
    [
      "hub misspelt",
      "hbu:\n  port: 80\n",
      [`${F}:1: ${MISSING}`, `${F}:1: hbu is not a setting; did you mean hub?`],
    ],
    [
      "hub in other case",
      "Hub:\n",
      [`${F}:1: ${MISSING}`, `${F}:1: Hub is not a setting; did you mean hub?`],
    ],
    [
      "hub misspelt beside hub",
      "hub:\n  port: 80\nhub2: {}\n",
      [`${F}:3: hub2 is not a setting; did you mean hub?`],
    ],
    [
      "settings under another name",
      "imagehub:\n  port: 80\n",
      [`${F}:1: ${MISSING}`, `${F}:1: imagehub is not a setting; did you mean hub?`],
    ],
    [
      "settings beside hub",
      "hub:\nport: 80\nhttp:\n  listen: off\n",
      [
        `${F}:2: port is outside hub:, so it has no effect: put two spaces before it, and before every line under it`,
        `${F}:3: http is outside hub:, so it has no effect: put two spaces before it, and before every line under it`,
      ],
    ],
    [
      "a misspelt setting beside hub",
      "hub:\n  port: 80\nquemax: 5\n",
      [`${F}:3: quemax is not a setting; did you mean hub.queuemax?`],
    ],
    [
      "hub below a block of another program",
      "camwatcher:\n  hub:\n    port: 80\n",
      [
        `${F}:1: ${MISSING}`,
        `${F}:1: hub: is inside camwatcher: move it and everything under it to the beginning of the line`,
      ],
    ],
    ["another program's block alone", "camwatcher:\n  outdir: /srv\n", [`${F}:1: ${MISSING}`]],
    [
      "another program's block under hub",
      "hub:\n  port: 80\n  camwatcher:\n    outdir: /srv\n",
      [`${F}:3: hub.camwatcher is not a setting; ${FOREIGN}`],
    ],
    [
      "lines of one group that are indented by more",
      "hub:\n  port: 80\n    bind: x\n",
      [`${F}:2:9: not YAML: the line below is indented deeper: ${ALIGN}`],
    ],
    [
      "lines of one group that are indented by less",
      "hub:\n    port: 80\n  bind: x\n",
      [`${F}:3:1: not YAML: this line is not indented as those above it: ${ALIGN}`],
    ],
    [
      "a block of which only the end was pasted with its indent",
      "  hub:\n    port: 80\nbind: x\n",
      [`${F}:3:1: not YAML: this line is not indented as those above it: ${ALIGN}`],
    ],
    [
      "spaces of a web page",
      "hub:\n\u00A0\u00A0port: 80\n",
      [
        `${F}:2: a line begins with the character U+00A0, which only looks like a space: put spaces in its place`,
      ],
    ],
    [
      "spaces of a web page behind others",
      "hub:\n  port: 80\n \u3000bind: x\n",
      [
        `${F}:3:1: not YAML: a line begins with the character U+3000, which only looks like a space: put spaces in its place`,
      ],
    ],
    [
      "a colon in a value",
      "hub:\n  data_directory: a: b\n",
      [
        `${F}:2:19: not YAML: Nested mappings are not allowed in compact mappings; a value with a colon and a space in it must be in quotes`,
      ],
    ],
    [
      "hub with one value",
      "hub: 80\n",
      [`${F}:1: hub is 80, must be a group of settings, one per line`],
    ],
    [
      "hub with a list",
      "hub:\n  - port: 80\n",
      [`${F}:1: hub is a list, must be a group of settings, one per line`],
    ],
    ["a word", "hello\n", [`${F}:1: Not a group of settings; write every setting under hub:`]],
    ["a list", "- hub\n", [`${F}:1: Not a group of settings; write every setting under hub:`]],
    [
      "tabs",
      "hub:\n\tport: 80\n",
      [`${F}:2:1: not YAML: this line begins with a tab: put spaces in its place`],
    ],
    [
      "crooked keys",
      "hub:\n  port: 80\n   bind: x\n",
      [`${F}:2:9: not YAML: the line below is indented deeper: ${ALIGN}`],
    ],
    [
      "a star without quotes",
      "hub:\n  bind: *\n",
      [
        `${F}:2:9: not YAML: Alias cannot be an empty string; a value that begins with * must be in quotes`,
      ],
    ],
    ["an alias to nothing", "hub:\n  port: *p\n", [`${F}:2: not YAML: there is no anchor &p`]],
    [
      "two documents",
      "hub:\n  port: 80\n---\nhub:\n",
      [`${F}:3:1: not YAML: there is more than one document`],
    ],
    [
      "a tag of Python",
      "hub: !!python/name:os.system\n",
      [`${F}:1: not YAML: Unresolved tag: tag:yaml.org,2002:python/name:os.system`],
    ],
    ["a key that is a list", "hub:\n  ? [a]\n  : 1\n", [`${F}:2: a key must be a word`]],
    [
      "aliases of aliases",
      BOMB,
      [`${F}:1: not YAML: Excessive alias count indicates a resource exhaustion attack`],
    ],
    [
      "a binary file",
      new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]),
      [`${F}:1: not YAML: there is a character U+007F`],
    ],
    [
      "a terminal control",
      "hub:\n  ack: \u001B[31m\n",
      [`${F}:2: not YAML: there is a character U+001B`],
    ],
    [
      "Latin-1",
      Buffer.from("# Stra\u00DFe\nhub:\n", "latin1"),
      [`Cannot read ${F}: it is not UTF-8 text`],
    ],
    ["UTF-16", Buffer.from("\uFEFFhub:\n", "utf16le"), [`Cannot read ${F}: it is not UTF-8 text`]],
    [
      "a huge file",
      "#".repeat(1024 * 1024 + 1),
      [`Cannot read ${F}: it is larger than 1048576 bytes`],
    ],
    [
      "everything that is wrong at once, by line",
      "hub:\n  port: 0\n  prot: 1\n  ack: maybe\n",
      [
        `${F}:2: hub.port is 0, ${PORT_RULE}`,
        `${F}:3: hub.prot is not a setting; did you mean hub.port?`,
        `${F}:4: hub.ack is "maybe", must be stored, received, synced or replicated`,
      ],
    ],
  ];
  test.each(table)("%s", (_, yaml, messages) => {
    expect(refusalOf(yaml)).toEqual(messages);
  });

  test("all layers at once, each with its own name for a setting", () => {
    const env = {
      IMAGEHUB_PORT: "abc",
      IMAGEHUB_WRITERS: "70",
      IMAGEHUB_QUEUMAX: "1",
      IMAGEHUB_COLOUR: "1",
    };
    const overrides = { port: "70000", data_directory: "", ack: "maybe" };
    expect(refusalOf("hub:\n  port: 0\n", { env, overrides })).toEqual([
      `${F}:2: hub.port is 0, ${PORT_RULE}`,
      "IMAGEHUB_QUEUMAX is not a setting; did you mean IMAGEHUB_QUEUEMAX?",
      `IMAGEHUB_PORT is "abc", ${PORT_RULE}`,
      "IMAGEHUB_WRITERS is 70, must be a whole number from 1 to 64",
      `--data is "", ${PATH_RULE}`,
      `--port is 70000, ${PORT_RULE}`,
      '--ack is "maybe", must be stored, received, synced or replicated',
    ]);
  });

  test("files and directories that cannot be read", () => {
    using directory = tempDir();
    const named = (config: string) =>
      refusal(() => loadSettings({ config, env: {} }), directory.path);
    const inside = (path: string) => refusal(() => loadSettings({ path, env: {} }), directory.path);
    const { path } = directory;
    writeFileSync(join(path, "file"), "");
    mkdirSync(join(path, "folder", "imagehub.yaml"), { recursive: true });

    expect(named(join(path, "none.yaml"))).toEqual([
      "Cannot read DIR/none.yaml: no such file or directory",
    ]);
    expect(named(path)).toEqual(["Cannot read DIR: it is a directory"]);
    expect(named(join(path, "file/x"))).toEqual([
      "Cannot read DIR/file/x: part of its path is not a directory",
    ]);
    expect(inside(join(path, "folder"))).toEqual([
      "Cannot read DIR/folder/imagehub.yaml: it is a directory",
    ]);
    expect(inside(join(path, "none"))).toEqual(["Cannot read DIR/none: no such file or directory"]);
    expect(inside(join(path, "file"))).toEqual(['--path is "DIR/file", must be a directory']);
    expect(refusal(() => loadSettings({ config: "a", path, env: {} }))).toEqual([
      "Give --config or --path, not both",
    ]);
  });

  test.each(["0.0.0.0:8550", "[::]:8550", "192.168.86.20:8550", "[fe80::1]:0"])(
    "HTTP on %s without a token",
    (listen) => {
      const yaml = `hub:\n  http:\n    listen: "${listen}"\n`;
      expect(refusalOf(yaml)).toEqual([
        `hub.http.listen is "${listen}", which other machines can reach: set hub.http.token_file too`,
      ]);
      expect(load(`${yaml}    token_file: token\n`).settings.http.listen).toBe(listen);
    },
  );

  test.each(["localhost:8550", "127.0.0.1", "8550", "true", '"::1:8550"'])(
    "HTTP on %s",
    (listen) => {
      const [message] = refusalOf(`hub:\n  http:\n    listen: ${listen}\n`);
      expect(message).toStartWith(
        `${F}:3: hub.http.listen is ${listen}`.replace(/is (?=[l1])/, 'is "'),
      );
      expect(message).toContain(
        'must be "off", or an IP address and a port, such as 127.0.0.1:8550',
      );
    },
  );

  test("a file that its user may not read", () => {
    using directory = tempDir();
    const config = join(directory.path, "imagehub.yaml");
    writeFileSync(config, "hub:\n");
    chmodSync(config, 0);
    chmodSync(directory.path, 0o755);
    // Root may read everything, so try as another user.
    const source = join(import.meta.dir, "../../src/config/load.ts");
    const script = `
      const { loadSettings } = await import(${JSON.stringify(source)});
      if (process.getuid() === 0) process.seteuid(65534);
      try { loadSettings({ config: ${JSON.stringify(config)}, env: {} }); }
      catch (error) { console.log(error.status, error.message); }`;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script]);
    expect(stdout.toString()).toBe(`78 Cannot read ${config}: permission denied\n`);
  });
});

describe("loadSettings accepts", () => {
  const KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
  test.each<[written: string, meant: unknown]>([
    ["tcp://a.local:5566", ["tcp://a.local:5566"]],
    ["tcp://a:1, tcp://[fe80::1%eth0]:2", ["tcp://a:1", "tcp://[fe80::1%eth0]:2"]],
    ["[tcp://10.0.0.7:65535]", ["tcp://10.0.0.7:65535"]],
    [`[{connect: tcp://a:1, server_key: "${KEY}"}]`, [{ connect: "tcp://a:1", server_key: KEY }]],
    ["", []],
  ])("subscribe: %s", (written, meant) => {
    expect(load(`hub:\n  subscribe: ${written}\n`).settings.subscribe).toEqual(meant as never);
  });

  // PyYAML reads all of these, and the Python hub uses only `hub`.
  test.each([
    ["a block", "camwatcher:\n  outdir: /srv\n  port: 1\nhub:\n  port: 80\n", "1: camwatcher"],
    ["a block behind it", "hub:\n  port: 80\ncamwatcher: {hub: 1}\n", "3: camwatcher"],
    ["a block with a key twice", "hub:\n  port: 80\nx: {a: 1, a: 2}\n", "3: x"],
    ["a block that stands twice", "x: 1\nhub:\n  port: 80\nx: {a: 1}\n", "4: x"],
    ["a block that others merge", "defaults: &d {port: 80}\nhub:\n  <<: *d\n", "1: defaults"],
    ["a word", "hub:\n  port: 80\nversion: 3\n", "3: version"],
  ])("%s of another program beside hub, and says that it is not read", (_, yaml, named) => {
    const { settings, notes, file } = load(yaml);
    expect(settings.port).toBe(80);
    expect(notes).toEqual([`${file}:${named}: is ignored; the hub reads only what is under hub:`]);
  });

  test("a file with the indent of the page that it was pasted from, and says nothing", () => {
    const { settings, notes } = load(
      "  # a comment\n  hub:\n    port: 80\n    http:\n        listen: off\n",
    );
    expect({ ...settings, data_directory: "" }).toEqual({
      ...DEFAULTS,
      data_directory: "",
      port: 80,
      http: { ...DEFAULTS.http, listen: "off" },
    });
    expect(notes).toEqual([]);
  });

  test.each(["off", "false", '"off"'])("http.listen: %s", (listen) => {
    expect(load(`hub:\n  http:\n    listen: ${listen}\n`).settings.http.listen).toBe("off");
    expect(load("hub:\n", { env: { IMAGEHUB_HTTP_LISTEN: "off" } }).settings.http.listen).toBe(
      "off",
    );
  });

  test("a token file beside imagehub.yaml", () => {
    const loaded = load("hub:\n  http:\n    token_file: token\n");
    expect(loaded.settings.http.token_file).toBe(join(loaded.directory, "token"));
  });

  test("limits of what is kept", () => {
    const { settings } = load(
      "hub:\n  keep:\n    days: 30\n    max_bytes: 200 GB\n    min_free: 5 %\n    cameras:\n" +
        "    - {match: Barn*, days: 7}\n    - match: Gate\n      max_bytes: 1.5 TB\n",
    );
    expect(settings.keep).toEqual({
      ...DEFAULTS.keep,
      days: 30,
      max_bytes: "200 GB",
      min_free: "5 %",
      cameras: [
        { match: "Barn*", days: 7, max_bytes: 0 },
        { match: "Gate", max_bytes: "1.5 TB" },
      ] as never[],
    });
    const env = { IMAGEHUB_KEEP_MIN_FREE: "20 GB", IMAGEHUB_KEEP_DAYS: "14" };
    const { keep } = load("hub:\n", { env }).settings;
    expect(keep).toEqual({ ...DEFAULTS.keep, days: 14, min_free: "20 GB" });
  });

  test("the file of the Python hub with the same meaning", () => {
    const loaded = load(`# Settings file imagehub.yaml -- sentinelcam test #1
---
hub:
  queuemax: 500 # maximum size of queue of images to write
  patience: 1  # how often to log a lack of message in minutes
  print_settings: False
  data_directory: /home/ops/sentinelcam/imagehub
  max_images_write: 7500  # a cap on images to write in one day
`);
    const changed = {
      patience: 1,
      max_images_write: 7500,
      data_directory: "/home/ops/sentinelcam/imagehub",
    };
    expect(loaded.settings).toEqual({ ...DEFAULTS, ...changed });
    expect(loaded.file).toBe(join(loaded.directory, "imagehub.yaml"));
    expect(loaded.origins.get("patience")).toEqual({ source: "file", detail: `${loaded.file}:5` });
    expect(loaded.origins.get("port")).toEqual({ source: "default" });
  });

  const same: [name: string, yaml: string, changed: object][] = [
    ["hub with nothing in it", "hub:\n", {}],
    ["hub with braces", "{hub: {port: 80, ack: synced}}", { port: 80, ack: "synced" }],
    [
      "a byte order mark and CRLF",
      "\uFEFFhub:\r\n  port: 80\r\n  writers: 3\r\n",
      { port: 80, writers: 3 },
    ],
    ["CR alone", "hub:\r  port: 80\r", { port: 80 }],
    ["an end of document", "---\nhub:\n  port: 80\n...\n", { port: 80 }],
    ["tabs before comments", "hub:\n  port: 80\t# x\n", { port: 80 }],
    [
      "anchors and merges",
      "hub:\n  <<: &x {port: 80}\n  queuemax: &n 3\n  writers: *n\n",
      { port: 80, queuemax: 3, writers: 3 },
    ],
    [
      "numbers of YAML 1.1",
      "hub:\n  queuemax: 1_000\n  port: 0x50\n  patience: .5\n  writers: 010\n",
      { queuemax: 1000, port: 80, patience: 0.5, writers: 8 },
    ],
    ["a whole number with a point", "hub:\n  max_images_write: 10.0\n", { max_images_write: 10 }],
    [
      "another version of YAML",
      "%YAML 1.2\n---\nhub:\n  print_settings: yes\n",
      { print_settings: true },
    ],
    ["addresses and interfaces", "hub:\n  bind: 192.168.1.5\n", { bind: "192.168.1.5" }],
    ["an IPv6 address", "hub:\n  bind: ::1\n", { bind: "::1" }],
    ["an interface", "hub:\n  bind: enp3s0.100\n", { bind: "enp3s0.100" }],
  ];
  test.each(same)("%s", (_, yaml, changed) => {
    const { settings, directory } = load(yaml);
    expect(settings).toEqual({
      ...DEFAULTS,
      data_directory: join(directory, "imagehub_data"),
      ...changed,
    });
  });

  const truths: [written: string, meant: boolean][] = [
    ...["yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE", "1"].map(
      (word): [string, boolean] => [word, true],
    ),
    ...["no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE", "0", "", "~", "null"].map(
      (word): [string, boolean] => [word, false],
    ),
  ];
  test.each(truths)("print_settings: %s, as PyYAML reads it", (written, meant) => {
    expect(load(`hub:\n  print_settings: ${written}\n`).settings.print_settings).toBe(meant);
  });

  const paths: [written: string, meant: string][] = [
    ["/srv/hub/", "/srv/hub"],
    ["data", "DIR/data"],
    [".", "DIR"],
    ["../data", "DIR/../data"],
    ["y", "DIR/y"],
    ["1e3", "DIR/1e3"],
    ["~/data", "/home/ops/data"],
    ["'~'", "/home/ops"],
    ["~ops/data", "DIR/~ops/data"],
  ];
  test.each(paths)("data_directory: %s", (written, meant) => {
    const { settings, directory } = load(`hub:\n  data_directory: ${written}\n`, {
      env: { HOME: "/home/ops" },
    });
    expect(settings.data_directory).toBe(join(meant.replace("DIR", directory)));
  });
});

describe("loadSettings", () => {
  test("lets the command line win over the environment, that over the file, that over the defaults", () => {
    const yaml = "hub:\n  queuemax: 1\n  port: 1\n  writers: 1\n";
    const env = { IMAGEHUB_PORT: "2", IMAGEHUB_WRITERS: "2" };
    const { settings, origins, file } = load(yaml, {
      env,
      overrides: { writers: 3, ack: undefined },
    });
    expect(settings).toMatchObject({
      max_images_write: 5000,
      queuemax: 1,
      port: 2,
      writers: 3,
      ack: "stored",
    });
    const sources = ["max_images_write", "queuemax", "port", "writers"].map((name) =>
      origins.get(name),
    );
    expect(sources).toEqual([
      { source: "default" },
      { source: "file", detail: `${file}:2` },
      { source: "environment", detail: "IMAGEHUB_PORT" },
      { source: "command line", detail: "--writers" },
    ]);
  });

  test("reads the text of variables and options as the file's, and strings as they are", () => {
    const env = {
      IMAGEHUB_BIND: "*",
      IMAGEHUB_PRINT_SETTINGS: "on",
      IMAGEHUB_PATIENCE: "0.5",
      IMAGEHUB_DATA_DIRECTORY: "12: x # y",
      IMAGEHUB_LOG_LEVEL: "",
      IMAGEHUB: "not ours",
      OTHER_IMAGEHUB_X: "not ours",
    };
    const { settings, directory } = load("hub:\n", {
      env,
      overrides: { port: "80", data_directory: undefined },
    });
    expect(settings).toMatchObject({
      bind: "*",
      print_settings: true,
      patience: 0.5,
      log_level: "info",
      port: 80,
    });
    expect(settings.data_directory).toBe(join(directory, "12: x # y"));
  });

  test("starts relative paths at the file, those of the command line at the current directory", () => {
    const env = { HOME: "/home/ops", IMAGEHUB_DATA_DIRECTORY: "d" };
    const fromEnvironment = load("hub:\n", { env });
    expect(fromEnvironment.settings.data_directory).toBe(join(fromEnvironment.directory, "d"));
    const overrides = { data_directory: "d" };
    expect(load("hub:\n", { overrides }).settings.data_directory).toBe("/current/d");
    expect(
      load("hub:\n", { env, overrides: { data_directory: "~/d" } }).settings.data_directory,
    ).toBe("/home/ops/d");
  });

  test("uses the defaults where no file is in the home directory or that of --path", () => {
    using directory = tempDir();
    const place = join(directory.path, "imagehub.yaml");
    for (const request of [{ env: { HOME: directory.path } }, { env: {}, path: directory.path }]) {
      const { settings, file, place: looked } = loadSettings(request);
      expect(settings).toEqual({
        ...DEFAULTS,
        data_directory: join(directory.path, "imagehub_data"),
      });
      expect({ file, looked }).toEqual({ file: undefined, looked: place });
    }
    expect(loadSettings({ env: { HOME: "/nowhere" } }).file).toBeUndefined();
  });

  test("takes a named file, also relative and under another name", () => {
    using directory = tempDir();
    writeFileSync(join(directory.path, "test.yaml"), "hub:\n  port: 80\n");
    const loaded = loadSettings({ config: "test.yaml", env: {}, cwd: directory.path });
    expect(loaded.settings).toMatchObject({
      port: 80,
      data_directory: join(directory.path, "imagehub_data"),
    });
    expect(loaded.file).toBe(join(directory.path, "test.yaml"));
  });
});

test.each([
  ["port: 5556\n  publish: tcp://*:5556", "publish", "port"],
  ["publish: tcp://*:5556\n  publish_topics: tcp://127.0.0.1:5556", "publish_topics", "publish"],
  ["publish: tcp://*:8550", "publish", "http.listen"],
])("loadSettings refuses one port for two: %s", (yaml, name, other) => {
  expect(refusalOf(`hub:\n  ${yaml}\n`).join("\n")).toContain(
    `hub.${name} and hub.${other} have the same port`,
  );
});
